package deploy

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestImage checks the Dockerfile as far as one can without an engine: the last
// stage begins empty, and holds nothing but what it must.
func TestImage(t *testing.T) {
	stages := stages(read(t, "../Dockerfile"))
	if len(stages) != 2 {
		t.Fatalf("%d stages, want two", len(stages))
	}
	build, image := stages[0], stages[1]

	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "../go.mod"))[1]
	if from := build[0]; !strings.Contains(from, " golang:"+version+" ") {
		t.Errorf("build stage is %q, want golang:%s as in go.mod", from, version)
	}
	if text := strings.Join(build, "\n"); !strings.Contains(text, "CGO_ENABLED=0") {
		t.Error("build stage does not set CGO_ENABLED=0: the binary would look for a C library")
	}

	var copies []string
	for _, line := range image {
		if strings.HasPrefix(line, "COPY ") || strings.HasPrefix(line, "ADD ") {
			copies = append(copies, line)
		}
	}
	want := []string{
		"FROM scratch",
		"COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt",
		"COPY --from=build /out/gateway /usr/local/bin/gateway",
		"COPY --from=build --chown=65532:65532 --chmod=700 /out/state /var/lib/gateway",
		"USER 65532:65532", // a number: there is no user database, and Kubernetes' runAsNonRoot cannot check a name
		`ENTRYPOINT ["gateway"]`,
	}
	for _, line := range want {
		if !slices.Contains(image, line) {
			t.Errorf("image has no line %q", line)
		}
	}
	if len(copies) != 3 {
		t.Errorf("image holds %q, want certificates, the binary and an empty folder only", copies)
	}
	asksStatus := func(line string) bool {
		return strings.HasPrefix(line, "HEALTHCHECK ") && strings.HasSuffix(line, `CMD ["gateway", "status"]`)
	}
	if !slices.ContainsFunc(image, asksStatus) {
		t.Error("image has no HEALTHCHECK that runs gateway status")
	}
}

// TestBinaryIsStatic builds as the image does: on scratch there is no dynamic linker.
func TestBinaryIsStatic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gateway")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	binary, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	for _, p := range binary.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("binary asks for a dynamic linker")
		}
	}
	if libraries, err := binary.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("binary asks for %q", libraries)
	}
}

// stages returns the instructions of each stage of a Dockerfile, one a line,
// without comments.
func stages(dockerfile string) [][]string {
	joined := strings.ReplaceAll(dockerfile, "\\\n", " ")
	var all [][]string
	for line := range strings.Lines(joined) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "FROM "):
			all = append(all, []string{line})
		default:
			all[len(all)-1] = append(all[len(all)-1], line)
		}
	}
	return all
}
