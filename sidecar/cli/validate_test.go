package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
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
	if got.code != 0 || got.stderr != "" || !strings.HasPrefix(got.stdout, path+
		": fine (1 listener, 1 route, 1 cluster, revision ") {
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
	if got := do(t, Process{Environ: []string{"GATEWAY_APP=127.0.0.1:3000", "CONSUL_HTTP_ADDR=x"}}, "validate",
		path); got.code != 0 {
		t.Errorf("with GATEWAY_APP: %+v, want code 0", got)
	}
}

func TestValidateUnreadable(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name, want string
		p          Process
	}{
		{filepath.Join(dir, "none.yaml"), "gateway: open " + dir + "/none.yaml: no such file or directory\n",
			Process{}},
		{dir, "gateway: read " + dir + ": is a directory\n", Process{}},
		{"-", "gateway: -: larger than 8 MiB\n",
			Process{Stdin: strings.NewReader(strings.Repeat("#", config.MaxDocumentBytes+1))}},
	} {
		if got := do(t, row.p, "validate", row.name); got.code != 1 || got.stderr != row.want || got.stdout != "" {
			t.Errorf("validate %s: %+v, want code 1 and %q", row.name, got, row.want)
		}
	}
}

// Several files are one document, in the order of their names.
func TestValidateFolder(t *testing.T) {
	dir := t.TempDir()
	part := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	routes, clusters, _ := strings.Cut(goodDocument, "clusters:")
	clusters = "clusters:" + clusters
	a, b := part("10-clusters.yaml", clusters), part("20-routes.yaml", routes)
	one := do(t, Process{}, "validate", file(t, goodDocument))
	for _, paths := range [][]string{{a, b}, {b, a}} {
		got := do(t, Process{}, append([]string{"validate"}, paths...)...)
		if got.code != 0 || !strings.HasPrefix(got.stdout, strings.Join(paths, ", ")+": fine (") {
			t.Errorf("validate %q: %+v, want fine", paths, got)
		}
		if _, want, _ := strings.Cut(one.stdout, ": fine"); !strings.HasSuffix(got.stdout, want) {
			t.Errorf("validate %q: %s, want what one file gives: %s", paths, got.stdout, want)
		}
	}
	c := part("30-wrong.yaml", "routes: [{name: more, match: {path_prefix: /more}, cluster: apq}]\n")
	got := do(t, Process{}, "validate", a, b, c)
	if got.code != 1 || !strings.HasPrefix(got.stdout, c+":1:") ||
		!strings.Contains(got.stdout, "cluster apq is not defined") {
		t.Errorf("validate: %+v, want a problem in %s", got, c)
	}
	if got := do(t, Process{}, "validate", a, file(t, routes), file(t, routes)); got.code != 1 ||
		!strings.Contains(got.stderr, "there is another routes.yaml") {
		t.Errorf("two files of one name: %+v", got)
	}
}

func TestValidateFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := testcert.NewCA(t, "ca").Server(t, "a.test").Write(t, dir, "a")
	document := func(key string) string {
		return file(t, goodDocument+"listeners:\n  - {name: web, address: ':8443', tls: {certificates: [{cert_file: "+
			cert+", key_file: "+key+"}]}}\n")
	}
	if got := do(t, Process{}, "validate", "--files", document(key)); got.code != 0 {
		t.Errorf("with its files: %+v, want fine", got)
	}
	path := document(filepath.Join(dir, "none.pem"))
	if got := do(t, Process{}, "validate", path); got.code != 0 {
		t.Errorf("without --files: %+v, want fine: the files may be elsewhere", got)
	}
	got := do(t, Process{}, "validate", "--files", path)
	if got.code != 1 || !strings.HasPrefix(got.stdout, path+": listeners[0].tls") ||
		!strings.Contains(got.stdout, "none.pem: no such file") {
		t.Errorf("with a file that is missing: %+v, want code 1 and the file", got)
	}
	users := filepath.Join(dir, "users")
	if err := os.WriteFile(users, []byte("ann:{SHA}x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path = file(t, "routes: [{name: a, match: {path: /a}, respond: {status: 200}, basic_auth: {file: "+users+"}}]\n")
	got = do(t, Process{}, "validate", "--files", path)
	if got.code != 1 || !strings.HasPrefix(got.stdout, path+": routes[0].basic_auth.file: "+users+": line 1: ") {
		t.Errorf("with a bad password file: %+v, want code 1 and the line", got)
	}
}

// The identity is the document's: it is the same for who validates it and for the gateway that serves it.
func TestValidateNamesTheRevisionThatWillServe(t *testing.T) {
	path := file(t, goodDocument)
	here := do(t, Process{}, "validate", path)
	there := do(t, Process{Environ: []string{"GATEWAY_READ_TIMEOUT=3s", "GATEWAY_UPSTREAMS=more=127.0.0.1:1"}},
		"validate", path)
	revision := func(o outcome) string { return o.stdout[strings.LastIndexByte(o.stdout, ' '):] }
	if here.code != 0 || there.code != 0 || revision(here) != revision(there) {
		t.Errorf("here %+v, elsewhere %+v, want the same revision", here, there)
	}
}
