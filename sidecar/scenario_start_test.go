package sidecar_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// The first line of a start has all that tells one gateway from another.
func TestStartLine(t *testing.T) {
	t.Parallel()
	file := documentFile(t, one(app(t, "one")))
	consul, tcp := testserver.Consul(t), testserver.Addr(t)
	const otlp = "http://127.0.0.1:4317"
	for _, row := range []struct {
		name    string
		environ env
		want    map[string]any
	}{
		{"file", env{"GATEWAY_CONFIG": file, "GATEWAY_SERVICE": "web", "GATEWAY_INSTANCE": "web-1"}, map[string]any{
			"service": "web", "instance": "web-1", "source": "file", "document": fmt.Sprintf("file %q", file),
			"metrics": "/metrics"}},
		{"consul", env{"CONSUL_HTTP_ADDR": consul.Addr(), "OTEL_EXPORTER_OTLP_ENDPOINT": otlp,
			"OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_EXPORT_TIMEOUT": "1"}, map[string]any{
			"source": "consul", "document": `kv "gateway/app/config"`, "metrics": "/metrics, " + otlp, "traces": otlp}},
		{"environment", env{"GATEWAY_APP": "127.0.0.1:9", "GATEWAY_TCP": tcp + "=app", "OTEL_SDK_DISABLED": "true"},
			map[string]any{"source": "env", "document": "environment", "metrics": "off"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			g := up(t, row.environ)
			line := g.waitLogged("gateway started")
			listen := []any{strings.TrimPrefix(g.url, "http://")}
			if row.environ["GATEWAY_TCP"] != "" {
				listen = append(listen, tcp)
			}
			if got, ok := line["listen"].([]any); !ok || !slices.Equal(got, listen) {
				t.Errorf("listen %v, want %v", line["listen"], listen)
			}
			row.want["admin"] = strings.TrimPrefix(g.admin, "http://")
			for name, want := range row.want {
				if line[name] != want {
					t.Errorf("%s %v, want %v", name, line[name], want)
				}
			}
			if version, ok := line["version"].(string); !ok || version == "" {
				t.Errorf("version %v, want that of the binary", line["version"])
			}
		})
	}
}

// The status tells what became of the last revisions, the newest first.
func TestLastRevisions(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	const key = "gateway/web/config"
	consul.KVPut(key, one(app(t, "one")))
	g := serve(t, env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SERVICE": "web"})
	g.answers("/", http.StatusOK, "one")
	first := g.status().Revision.ID
	consul.KVPut(key, "routes: 7\n")
	g.rejection()
	g.revisions("rejected", "applied")
	consul.KVPut(key, one(app(t, "two")))
	g.answers("/", http.StatusOK, "two")
	s := g.revisions("applied", "rejected", "superseded")
	if all := s.Revisions; all[0].Revision != s.Revision.ID || all[2].Revision != first ||
		all[0].Since.Before(s.Started) || len(all[0].Reasons) != 0 || len(all[1].Reasons) != 1 {
		t.Errorf("revisions %+v after %s, serving %s", all, first, s.Revision.ID)
	}
	consul.KVDelete(key)
	testserver.WaitFor(t, longestWait, "the revision to say that its document is gone", func() bool {
		now := g.status().Revisions[0]
		return now.State == "applied" && strings.Contains(fmt.Sprint(now.Reasons), "its document is gone")
	})
}

// revisions waits until the last revisions are in these states.
func (g *gateway) revisions(states ...string) status {
	g.t.Helper()
	return g.wait(fmt.Sprintf("revisions in the states %q", states), func(s status) bool {
		var got []string
		for _, r := range s.Revisions {
			got = append(got, r.State)
		}
		return slices.Equal(got, states)
	})
}

// What the gateway was started with can be asked of it, without its secrets.
func TestRunningSettings(t *testing.T) {
	t.Parallel()
	g := up(t, env{"GATEWAY_APP": "127.0.0.1:9", "CONSUL_HTTP_TOKEN": "a-secret", "GATEWAY_SERVICE": "web"},
		"--drain-timeout", "5s")
	_, body, err := fetch(g.admin + "/status")
	if err != nil || strings.Contains(body, "a-secret") {
		t.Errorf("/status: %v, want no secret in it:\n%s", err, body)
	}
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(g.admin, "http://")
	out, err := exec.Command(path, "env", "--running", "--admin-listen", address).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]string{
		{"*", "GATEWAY_SERVICE", "environment", "web"}, {"*", "GATEWAY_DRAIN_TIMEOUT", "flag", "5s"},
		{"GATEWAY_CONSUL_KEY", "default", "gateway/web/config"}, {"GATEWAY_SOURCE", "default", "env"},
		{"*", "CONSUL_HTTP_TOKEN", "environment", "(set,", "not", "shown)"},
	} {
		found := false
		for line := range strings.Lines(string(out)) {
			found = found || slices.Equal(strings.Fields(line), want)
		}
		if !found {
			t.Errorf("gateway env --running has no line %q:\n%s", want, out)
		}
	}
}
