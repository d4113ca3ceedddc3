package deploy

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

type composeFile struct {
	Services map[string]composeService
	Volumes  map[string]any // by name; a service may also mount a folder
}

type composeService struct {
	Environment     map[string]string
	StopGracePeriod string `yaml:"stop_grace_period"`
	Volumes         []string
	Command         []string
	Ports           []string
}

func compose(t *testing.T) composeFile {
	t.Helper()
	var file composeFile
	decode(t, "compose.yaml", &file)
	return file
}

func (s composeService) environment() []string {
	var vars []string
	for name, value := range s.Environment {
		vars = append(vars, name+"="+value)
	}
	return vars
}

type kubernetesDeployment struct {
	Spec struct {
		Template struct {
			Spec struct {
				EnableServiceLinks            *bool       `yaml:"enableServiceLinks"`
				TerminationGracePeriodSeconds int         `yaml:"terminationGracePeriodSeconds"`
				InitContainers                []container `yaml:"initContainers"`
				Containers                    []container
			}
		}
	}
}

type container struct {
	Name           string
	RestartPolicy  string `yaml:"restartPolicy"`
	Env            []struct{ Name, Value string }
	StartupProbe   probe  `yaml:"startupProbe"`
	ReadinessProbe probe  `yaml:"readinessProbe"`
	LivenessProbe  *probe `yaml:"livenessProbe"`
	Lifecycle      struct {
		PreStop struct {
			Sleep struct{ Seconds int }
		} `yaml:"preStop"`
	}
}

type probe struct {
	Exec struct{ Command []string }
}

func deployment(t *testing.T) kubernetesDeployment {
	t.Helper()
	var d kubernetesDeployment
	decode(t, "kubernetes/deployment.yaml", &d)
	return d
}

func (d kubernetesDeployment) gateway(t *testing.T) container {
	t.Helper()
	init := d.Spec.Template.Spec.InitContainers
	if len(init) != 1 || init[0].Name != "gateway" {
		t.Fatalf("initContainers = %+v, want the gateway", init)
	}
	return init[0]
}

func (c container) environment() []string {
	var vars []string
	for _, v := range c.Env {
		if v.Value != "" { // the others are filled in by Kubernetes
			vars = append(vars, v.Name+"="+v.Value)
		}
	}
	return vars
}

// envFile reads a systemd EnvironmentFile.
func envFile(t *testing.T, name string) []string {
	t.Helper()
	var vars []string
	for line := range strings.Lines(read(t, name)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			vars = append(vars, line)
		}
	}
	return vars
}

// nomadEnv reads the env block of a job, but for what Nomad fills in.
func nomadEnv(t *testing.T, name string) []string {
	t.Helper()
	block := regexp.MustCompile(`(?s)\n      env \{\n(.*?)\n      \}`).FindStringSubmatch(read(t, name))
	if block == nil {
		t.Fatalf("%s has no env", name)
	}
	var vars []string
	for _, m := range regexp.MustCompile(`(?m)^ +([A-Z_]+) *= "([^"$]*)"$`).FindAllStringSubmatch(block[1], -1) {
		vars = append(vars, m[1]+"="+m[2])
	}
	return vars
}

// samples returns the files of this folder and below that end in one of extensions.
func samples(t *testing.T, extensions ...string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if slices.Contains(extensions, filepath.Ext(name)) {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("samples %v, %v", names, err)
	}
	return names
}

func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
