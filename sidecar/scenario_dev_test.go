package sidecar_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// What the README begins with: a person in an empty folder.
func TestDevInAnEmptyFolder(t *testing.T) {
	t.Parallel()
	g := serve(t, env{"GATEWAY_DRAIN_DELAY": unset}, "dev")
	path := filepath.Join(g.dir, "gateway.dev.yaml")
	document, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	if out := run(t, "curl", "-s", g.url+"/x?y=1"); !strings.Contains(out, "GET /x?y=1 HTTP/1.1\n") {
		t.Errorf("curl through the gateway: %q, want the demo app's echo", out)
	}
	if out := run(t, "curl", "-s", g.url+"/hello"); !strings.Contains(out, "GET / HTTP/1.1\n") {
		t.Errorf("curl of the document's route: %q, want the path rewritten", out)
	}
	if code, _, _ := fetch(g.url + "/teapot"); code != http.StatusOK {
		t.Errorf("/teapot = %d before the edit", code)
	}

	edited := strings.Replace(string(document), "routes:\n",
		"routes:\n  - {name: teapot, match: {path_prefix: /teapot}, cluster: app, prefix_rewrite: /status/418}\n", 1)
	write(t, path, edited)
	g.answers("/teapot", http.StatusTeapot, "418 I'm a teapot\n")

	write(t, path, strings.Replace(edited, "cluster: app", "cluster: nobody", 1))
	if why := strings.Join(g.rejection(), "\n"); !strings.Contains(why, "cluster nobody is not defined") {
		t.Errorf("rejected with %q, want the cluster that is not there", why)
	}
	g.answers("/teapot", http.StatusTeapot, "418 I'm a teapot\n")

	if code, page, err := fetch(g.admin + "/"); err != nil || code != http.StatusOK ||
		!strings.Contains(page, "/status") {
		t.Errorf("admin page: %d %q %v", code, page, err)
	}
	if out := g.stdout(); !strings.Contains(out, "curl "+g.url+"/\n") ||
		!strings.Contains(out, "Edit    gateway.dev.yaml (live when saved, written just now)") {
		t.Errorf("dev printed %q", out)
	}
}

// One flag makes a sidecar of it.
func TestOneFlag(t *testing.T) {
	t.Parallel()
	g := serve(t, nil, "--app", app(t, "app"))
	g.now("/", http.StatusOK, "app")
	if s := g.status(); s.Source != "env" || len(s.Discovery) != 1 {
		t.Errorf("source %q, discovery %+v", s.Source, s.Discovery)
	}
}

// All that the environment can say of clusters and routes, in one go.
func TestEnvironmentAlone(t *testing.T) {
	t.Parallel()
	g := serve(t, env{
		"GATEWAY_APP":       app(t, "app"),
		"GATEWAY_UPSTREAMS": "two=" + app(t, "a") + "*3," + app(t, "b"),
		"GATEWAY_ROUTES":    "/two=two; other.test=two",
	})
	g.splits("/two", map[string]int{"a": 6, "b": 2})
	g.now("/", http.StatusOK, "app")
	if out := run(t, "curl", "-s", "-H", "Host: other.test:80", g.url); out != "a" && out != "b" {
		t.Errorf("by host: %q, want a or b", out)
	}
}

// What cannot work ends at once, with one sentence that names the knob.
func TestStartThatCannotWork(t *testing.T) {
	t.Parallel()
	taken := testserver.Listen(t).Addr().String()
	for _, row := range []struct {
		name    string
		environ env
		code    int
		says    string
	}{
		{"listener's port taken", env{"GATEWAY_LISTEN": taken, "GATEWAY_APP": "127.0.0.1:1"}, 1,
			"gateway: GATEWAY_LISTEN: listen tcp " + taken + ": bind: address already in use\n"},
		{"admin port taken", env{"GATEWAY_ADMIN_LISTEN": taken}, 1, "gateway: GATEWAY_ADMIN_LISTEN: listen tcp " +
			taken + ": bind: address already in use\n"},
		{"not ours to listen on", env{"GATEWAY_LISTEN": "192.0.2.1:80"}, 1,
			"gateway: GATEWAY_LISTEN: listen tcp 192.0.2.1:80: bind: cannot assign requested address\n"},
		{"no certificate", env{"GATEWAY_TLS_CERTS": "none.pem:none.key"}, 1, "gateway: GATEWAY_TLS_CERTS: "},
		{"a certificate that is none", env{"GATEWAY_TLS_CERTS": "/dev/null:/dev/null"}, 2,
			"gateway: GATEWAY_TLS_CERTS: "},
		{"not ours for the admin port", env{"GATEWAY_ADMIN_LISTEN": "192.0.2.1:80"}, 1,
			"gateway: GATEWAY_ADMIN_LISTEN: listen tcp 192.0.2.1:80: "},
		{"not ours for TCP", env{"GATEWAY_TCP": "192.0.2.1:80=app", "GATEWAY_APP": "127.0.0.1:1"}, 1,
			"gateway: GATEWAY_TCP: "},
		{"no folder for the log", env{"GATEWAY_ACCESS_LOG": "none/access.log"}, 1, "gateway: GATEWAY_ACCESS_LOG: "},
		{"taken, with the file's document there", env{"GATEWAY_LISTEN": taken, "GATEWAY_CONFIG": "/dev/null"}, 1,
			"gateway: GATEWAY_LISTEN: "},
		{"a typo", env{"GATEWAY_LISTENS": ":1"}, 2,
			"gateway: env GATEWAY_LISTENS: unknown variable (perhaps GATEWAY_LISTEN)\n"},
		{"two problems", env{"GATEWAY_LISTEN": "8080", "GATEWAY_APP": "x"}, 2, "gateway: env GATEWAY_LISTEN: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := launch(t, row.environ)
			if code := g.exit(longestWait); code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			last := ""
			for line := range strings.Lines(g.stderr()) {
				if strings.HasPrefix(line, "gateway: ") {
					last += line
				}
			}
			if !strings.HasPrefix(last, row.says) || strings.HasSuffix(row.says, "\n") && last != row.says {
				t.Errorf("said %q, want %q", last, row.says)
			}
		})
	}
}
