// Package deploy holds samples: an image, and configurations for Compose,
// Kubernetes, systemd and the OpenTelemetry Collector. The gateway imports none of it. These tests read each file with
// the program that will read it there, as far as that is at hand. So no sample rots.
package deploy

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func TestDocuments(t *testing.T) {
	var configMap struct{ Data map[string]string }
	decode(t, "kubernetes/configmap.yaml", &configMap)
	documents := map[string]string{
		"routes.yaml":               read(t, "routes.yaml"),
		"compose-routes.yaml":       read(t, "compose-routes.yaml"),
		"nomad/routes.yaml":         read(t, "nomad/routes.yaml"),
		"kubernetes/configmap.yaml": configMap.Data["routes.yaml"],
	}
	for name, text := range documents {
		if _, err := config.Decode([]byte(text), config.Standard()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVariables asks that each variable of ours that a sample sets is one that the
// gateway knows: it refuses to start with another.
func TestVariables(t *testing.T) {
	var known []string
	for _, v := range sidecar.Variables() {
		known = append(known, v.Name)
	}
	setting := regexp.MustCompile(`\bGATEWAY_[A-Z_]*[A-Z]\b`)
	found := 0
	for _, name := range samples(t, ".yaml", ".env", ".service", ".hcl") {
		for _, variable := range setting.FindAllString(read(t, name), -1) {
			found++
			if !slices.Contains(known, variable) {
				t.Errorf("%s: %s is no variable of the gateway", name, variable)
			}
		}
	}
	if found == 0 {
		t.Error("no variable found in any sample")
	}
}

// TestEnvironments starts the bootstrap with what each sample sets.
func TestEnvironments(t *testing.T) {
	for name, vars := range map[string][]string{
		"compose.yaml":               compose(t).Services["gateway"].environment(),
		"kubernetes/deployment.yaml": deployment(t).gateway(t).environment(),
		"systemd/gateway.env":        envFile(t, "systemd/gateway.env"),
		"nomad/web.nomad.hcl":        nomadEnv(t, "nomad/web.nomad.hcl"),
	} {
		if len(vars) == 0 {
			t.Errorf("%s: sets no variable", name)
		}
		if _, err := sidecar.Load(sidecar.Sources{Environ: vars}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEveryFileIsYAML catches what no other test here looks into.
func TestEveryFileIsYAML(t *testing.T) {
	for _, name := range samples(t, ".yaml") {
		decoder := yaml.NewDecoder(strings.NewReader(read(t, name)))
		for {
			var document any
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}

func TestKubernetes(t *testing.T) {
	pod := deployment(t).Spec.Template.Spec
	gateway := deployment(t).gateway(t)
	if gateway.RestartPolicy != "Always" {
		t.Errorf("restartPolicy of the init container = %q, want Always: else it is no sidecar, and the pod waits "+
			"for its end", gateway.RestartPolicy)
	}
	if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Error("enableServiceLinks is not false: a Service named gateway sets variables named GATEWAY_*")
	}
	preStop := time.Duration(pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if preStop == 0 {
		t.Error("the app has no preStop sleep: it ends while requests still come")
	}
	if grace := time.Duration(pod.TerminationGracePeriodSeconds) * time.Second; grace <= preStop+drain(t) {
		t.Errorf("terminationGracePeriodSeconds = %v, want more than preStop %v and the drain's %v", grace, preStop,
			drain(t))
	}
	for name, p := range map[string]probe{"startupProbe": gateway.StartupProbe,
		"readinessProbe": gateway.ReadinessProbe} {
		if want := []string{"gateway", "status"}; !slices.Equal(p.Exec.Command, want) {
			t.Errorf("%s runs %q, want %q", name, p.Exec.Command, want)
		}
	}
	if gateway.LivenessProbe != nil {
		t.Error("there is a livenessProbe: `gateway status` would have a draining gateway killed")
	}
}

// The sleep of preStop needs no feature gate from 1.30 on.
func TestKubernetesVersion(t *testing.T) {
	if text := read(t, "kubernetes/deployment.yaml"); !strings.Contains(text, "(Kubernetes 1.30 and later,") {
		t.Error("deployment.yaml does not say that it needs Kubernetes 1.30")
	}
}

// What compose.yaml tells to try shows a change: the route of the other document leads to another app, on the path that
// was asked before.
func TestComposeShowsAChange(t *testing.T) {
	services := compose(t).Services
	document, err := config.Decode([]byte(read(t, "compose-routes.yaml")), config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	path := document.Routes[0].Match.PathPrefix
	if n := strings.Count(read(t, "compose.yaml"), "curl localhost:8080"+path); n != 2 {
		t.Errorf("compose.yaml asks for %s %d times, want before and after", path, n)
	}
	host, _, _ := strings.Cut(document.Clusters[0].Endpoints[0].Address, ":")
	other, app := services[host].Command, services["app"].Command
	if len(other) != 2 || len(app) != 2 || other[1] == app[1] {
		t.Errorf("service %q runs %q, the app %q: want another text", host, other, app)
	}
}

// Only the gateway is for others: Consul here lets everybody change everything.
func TestComposePublishes(t *testing.T) {
	for name, s := range compose(t).Services {
		for _, port := range s.Ports {
			if name != "gateway" && !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("service %s publishes %s on all interfaces", name, port)
			}
		}
	}
}

func TestNomad(t *testing.T) {
	text := read(t, "nomad/web.nomad.hcl")
	duration := func(name string) time.Duration {
		t.Helper()
		m := regexp.MustCompile(name + ` *= "(.*)"`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("web.nomad.hcl has no %s", name)
		}
		d, err := time.ParseDuration(m[1])
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	drain, grace := duration("GATEWAY_DRAIN_TIMEOUT"), duration("kill_timeout")
	if grace <= drain {
		t.Errorf("kill_timeout = %v, want more than the drain's %v", grace, drain)
	}
	if most := 30 * time.Second; grace > most {
		t.Errorf("kill_timeout = %v: by default clients cut it to %v", grace, most)
	}
}

func TestCompose(t *testing.T) {
	gateway := compose(t).Services["gateway"]
	grace, err := time.ParseDuration(gateway.StopGracePeriod)
	if err != nil || grace <= drain(t) {
		t.Errorf("stop_grace_period = %q (%v), want more than the drain's %v", gateway.StopGracePeriod, err, drain(t))
	}
	for name, s := range compose(t).Services {
		for _, volume := range s.Volumes {
			host, _, _ := strings.Cut(volume, ":")
			if _, named := compose(t).Volumes[host]; named {
				continue
			}
			if _, err := os.Stat(host); err != nil {
				t.Errorf("service %s: volume %s: %v", name, volume, err)
			}
		}
	}
}

func TestSystemd(t *testing.T) {
	unit := read(t, "systemd/gateway.service")
	for _, line := range []string{"Type=exec", "LimitNOFILE=1048576", "NoNewPrivileges=yes",
		"StartLimitIntervalSec=0", "RestartPreventExitStatus=2", "ExecReload=/bin/kill -HUP $MAINPID"} {
		if !strings.Contains(unit, "\n"+line+"\n") {
			t.Errorf("gateway.service has no line %q", line)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^#   install -m \d+ (?:-D )?(\S+) /`).FindAllStringSubmatch(unit, -1) {
		if _, err := os.Stat("../" + m[1]); err != nil && m[1] != "bin/gateway" { // which make build makes
			t.Errorf("gateway.service has %s installed: %v", m[1], err)
		}
	}
	stop := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(unit)
	if stop == nil {
		t.Fatal("gateway.service has no TimeoutStopSec")
	}
	for _, m := range regexp.MustCompile(`(?m)^#(Environment=.*)$`).FindAllStringSubmatch(unit, -1) {
		for _, file := range regexp.MustCompile(`%d/([a-z.-]+)`).FindAllStringSubmatch(m[1], -1) {
			if !strings.Contains(unit, "\n#LoadCredential="+file[1]+":/") {
				t.Errorf("%s names %s, which no LoadCredential brings", m[1], file[1])
			}
		}
	}
	if !strings.Contains(unit, "\n#LoadCredential=consul-token:") {
		t.Error("gateway.service does not show how the Consul token gets to it")
	}
	if grace, err := time.ParseDuration(stop[1]); err != nil || grace <= drain(t) {
		t.Errorf("TimeoutStopSec=%s (%v), want more than the drain's %v", stop[1], err, drain(t))
	}
}

func TestCollector(t *testing.T) {
	collector := exec.Command(testserver.Binary(t, "otelcol"), "validate", "--config", "otel-collector.yaml")
	if out, err := collector.CombinedOutput(); err != nil {
		t.Errorf("otelcol validate: %v\n%s", err, out)
	}
}

// drain is the longest time from SIGTERM to the gateway's end, with its defaults. The drain delay is a part of it.
func drain(t *testing.T) time.Duration {
	t.Helper()
	b, err := sidecar.Load(sidecar.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	return b.DrainTimeout
}
