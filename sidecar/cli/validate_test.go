package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const goodDocument = `routes:
  - name: all
    match: {path_prefix: /}
    cluster: app
clusters:
  - name: app
    endpoints: ["127.0.0.1:3000"]
`

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "routes.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestValidateGood(t *testing.T) {
	path := file(t, goodDocument)
	got := do(t, Process{}, "validate", path)
	if got.code != 0 || got.stderr != "" || !strings.HasPrefix(got.stdout, path+": fine (1 listener, 1 route, 1 cluster, revision ") {
		t.Errorf("validate: %+v, want fine", got)
	}
}

func TestValidateStdin(t *testing.T) {
	got := do(t, Process{Stdin: strings.NewReader(goodDocument)}, "validate", "-")
	if got.code != 0 || !strings.HasPrefix(got.stdout, "-: fine (") {
		t.Errorf("validate -: %+v, want fine", got)
	}
}

func TestValidateBad(t *testing.T) {
	path := file(t, strings.Replace(goodDocument, "cluster: app", "cluster: apq\n    colour: red", 1))
	got := do(t, Process{}, "validate", path)
	if got.code != 1 || got.stderr != "gateway: "+path+": 2 problems\n" {
		t.Errorf("validate: %+v, want code 1 and 2 problems", got)
	}
	lines := strings.Split(strings.TrimSuffix(got.stdout, "\n"), "\n")
	want := []string{":4:14: routes[0].cluster: ", ":5:5: routes[0]"}
	if len(lines) != len(want) {
		t.Fatalf("lines %q, want %d", lines, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(lines[i], path+want[i]) {
			t.Errorf("line %q, want it to begin with %q", lines[i], path+want[i])
		}
	}
}

// What a document may leave to the bootstrap, it may leave when it is validated.
func TestValidateKnowsTheBootstrap(t *testing.T) {
	path := file(t, "routes:\n  - {name: hello, match: {path_prefix: /hello}, cluster: app}\n")
	if got := do(t, Process{}, "validate", path); got.code != 1 {
		t.Errorf("without an app: %+v, want code 1", got)
	}
	if got := do(t, Process{}, "validate", "--app", "127.0.0.1:3000", path); got.code != 0 {
		t.Errorf("with --app: %+v, want code 0", got)
	}
	if got := do(t, Process{Environ: []string{"GATEWAY_APP=127.0.0.1:3000", "CONSUL_HTTP_ADDR=x"}}, "validate", path); got.code != 0 {
		t.Errorf("with GATEWAY_APP: %+v, want code 0", got)
	}
}

func TestValidateUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name, want string
		p          Process
	}{
		{filepath.Join(dir, "none.yaml"), "gateway: open " + dir + "/none.yaml: no such file or directory\n", Process{}},
		{dir, "gateway: read " + dir + ": is a directory\n", Process{}},
		{"-", "gateway: -: larger than 8 MiB\n", Process{Stdin: strings.NewReader(strings.Repeat("#", config.MaxDocumentBytes+1))}},
	} {
		if got := do(t, row.p, "validate", row.name); got.code != 1 || got.stderr != row.want || got.stdout != "" {
			t.Errorf("validate %s: %+v, want code 1 and %q", row.name, got, row.want)
		}
	}
}
