package sidecar_test

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// restoredLimit is how long after its start a gateway serves from the state directory; without the state it would take
// 1.5 s.
const restoredLimit = time.Second

// stateDir is a place for a state directory, which the gateway makes.
func stateDir(t *testing.T) string { return filepath.Join(t.TempDir(), "state") }

// keep runs a gateway with a document of one service until its state is kept.
func keep(t *testing.T, consul *testserver.ConsulServer, more env) (environ env) {
	t.Helper()
	environ = env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_STATE_DIR": stateDir(t)}
	maps.Copy(environ, more)
	consul.Register(testserver.Service{Name: "kept", Port: port(t, app(t, "kept")), Weight: 3})
	consul.KVPut("gateway/app/config", to("c", "kept", ""))
	g := launch(t, environ)
	g.answers("/", http.StatusOK, "kept")
	g.stop()
	return environ
}

func (g *gateway) stop() {
	g.t.Helper()
	g.signal(syscall.SIGTERM)
	if code := g.exit(longestWait); code != 0 {
		g.t.Errorf("ended with code %d, want 0", code)
	}
}

// restored starts a gateway, which must serve from its state at once.
func restored(t *testing.T, environ env) *gateway {
	t.Helper()
	g := launch(t, environ)
	g.answers("/", http.StatusOK, "kept")
	if took := g.servedAfter(); took > restoredLimit {
		t.Errorf("served after %v, want at most %v", took, restoredLimit)
	}
	return g
}

// A gateway starts while Consul is away. What served before serves at once, the gateway says how old it is, and it
// gives way to what Consul says when it comes.
func TestStartWithoutConsulFromTheState(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := keep(t, consul, nil)
	consul.Stop()
	g := restored(t, environ)
	code, text, _ := fetch(g.admin + "/ready")
	if code != http.StatusOK || !strings.HasPrefix(text, "ready\nserves revision ") ||
		!strings.HasSuffix(text, " ago: consul has delivered nothing yet\n") {
		t.Errorf("/ready = %d %q, want 200 and the age", code, text)
	}
	s := g.status()
	if s.Revision.Source != "state" || s.Revision.AsOf.IsZero() || s.Source != "consul" || s.Revision.Orphaned {
		t.Errorf("revision %+v of source %q, want it from the state", s.Revision, s.Source)
	}
	if e := s.Clusters[0].Endpoints; len(e) != 1 || e[0].Weight != 3 || e[0].Consul.State != "passing" {
		t.Errorf("endpoints %+v, want the one with its weight", e)
	}
	line := g.waitLogged("serves from the state directory until the source delivers")
	if line["revision"] != s.Revision.ID {
		t.Errorf("logged %v", line)
	}

	requests := g.load("/")
	consul.Start()
	consul.Pass("kept")
	g.wait("Consul to confirm it", func(s status) bool { return s.Revision.Source == "consul" })
	if s := g.status(); s.Revision.Applied != 1 || !s.Revision.AsOf.IsZero() || !s.Ready {
		t.Errorf("revision %+v, want the same one, confirmed", s.Revision)
	}
	g.waitLogged("the source has delivered the revision that serves")
	requests.none(t)
	consul.KVPut("gateway/app/config", one(app(t, "newer")))
	g.answers("/", http.StatusOK, "newer")
}

// Whatever is wrong with Consul at the start, the state serves and goes on to.
func TestStartWithABadConsulFromTheState(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	environ := keep(t, consul, env{"CONSUL_HTTP_TOKEN": consul.Token()})
	with := func(t *testing.T, more env) env {
		all := maps.Clone(environ)
		maps.Copy(all, more)
		all["GATEWAY_STATE_DIR"] = stateDir(t)
		copyState(t, environ["GATEWAY_STATE_DIR"], all["GATEWAY_STATE_DIR"])
		return all
	}
	// What is left of the state when the gateway has ended is what was there.
	again := func(t *testing.T, g *gateway, environ env) {
		t.Helper()
		g.now("/", http.StatusOK, "kept")
		before := g.status().Revision.ID
		g.stop()
		g = restored(t, environ)
		if now := g.status().Revision.ID; now != before {
			t.Errorf("revision %s after another start, want %s", now, before)
		}
	}
	t.Run("hanging", func(t *testing.T) {
		environ := with(t, env{"CONSUL_HTTP_ADDR": testserver.Listen(t).Addr().String()})
		again(t, restored(t, environ), environ)
	})
	t.Run("denying", func(t *testing.T) {
		environ := with(t, env{"CONSUL_HTTP_TOKEN": consul.NewToken(`node_prefix "" { policy = "read" }`).Secret})
		g := restored(t, environ)
		g.wait("Consul to deny", func(s status) bool {
			return len(s.Discovery) > 1 && s.Discovery[0].Class == "acl" && s.Discovery[1].Class == "acl"
		})
		again(t, g, environ)
	})
	t.Run("rebuilt empty", func(t *testing.T) {
		empty := testserver.Consul(t)
		environ := with(t, env{"CONSUL_HTTP_ADDR": empty.Addr(), "CONSUL_HTTP_TOKEN": unset})
		g := restored(t, environ)
		g.wait("Consul to have nothing", func(s status) bool {
			return s.Revision.Orphaned && s.Clusters[0].Endpoints[0].Consul.State == "deregistered"
		})
		if s := g.status(); !s.Ready {
			t.Errorf("not ready for %q", s.Reasons)
		}
		held := *g.status().Clusters[0].Endpoints[0].Consul.Held
		g.now("/", http.StatusOK, "kept")
		g.stop()
		g = restored(t, environ)
		g.wait("Consul to have nothing, again", func(s status) bool { return s.Revision.Orphaned })
		now := *g.status().Clusters[0].Endpoints[0].Consul.Held
		if diff := now.Sub(held).Abs(); diff > time.Second {
			t.Errorf("held until %v, and after a restart until %v: want the same end", held, now)
		}
	})
}

func copyState(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(from, "last-good.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(to, "last-good.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every state directory that cannot be used is told in one sentence, and the start goes on as without it.
func TestStartWithABadState(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := keep(t, consul, nil)
	consul.Stop()
	from := environ["GATEWAY_STATE_DIR"]
	edit := func(change func(string) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			copyState(t, from, dir)
			path := filepath.Join(dir, "last-good.json")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(change(string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	same := func(text string) string { return text }
	for _, row := range []struct {
		name, message, want string
		make                func(t *testing.T, dir string)
		more                env
	}{
		{"others may read it", "state directory is not used", "mode is 0755, want 0700",
			func(t *testing.T, dir string) {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}, nil},
		{"a file", "state directory is not used", "not a directory", func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"broken", "kept state is not used and set aside", "checksum", edit(func(text string) string {
			return strings.Replace(text, `"service":"app"`, `"service":"ape"`, 1)
		}), nil},
		{"cut", "kept state is not used and set aside", "broken: not JSON",
			edit(func(text string) string { return text[:len(text)/2] }), nil},
		{"of a newer version", "kept state is not used and set aside", "of form 2", edit(func(text string) string {
			return strings.Replace(text, `"v":1`, `"v":2`, 1)
		}), nil},
		{"of another key", "kept state is not used: it is of another gateway", "", edit(same),
			env{"GATEWAY_CONSUL_KEY": "gateway/other/config"}},
		{"of another environment", "kept revision is not used", "", edit(same), env{"GATEWAY_LISTEN": "192.0.2.1:80"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			dir := stateDir(t)
			row.make(t, dir)
			with := env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_STATE_DIR": dir, "GATEWAY_APP": app(t, "bootstrap")}
			maps.Copy(with, row.more)
			g := up(t, with)
			line := g.waitLogged(row.message)
			why, _ := line["error"].(string)
			if !strings.Contains(why, row.want) {
				t.Errorf("logged %v, want %q", line, row.want)
			}
			if row.more["GATEWAY_LISTEN"] != "" {
				g.exit(longestWait) // the bootstrap needs the address too
				return
			}
			g.answers("/", http.StatusOK, "bootstrap")
			if s := g.status(); row.want != "" && !strings.Contains(s.State.Error, row.want) {
				t.Errorf("status %+v, want %q", s.State, row.want)
			}
			_, err := os.Stat(filepath.Join(dir, "last-good.json.bad"))
			if (err == nil) != strings.HasSuffix(row.message, "set aside") {
				t.Errorf("set aside: %v", err)
			}
		})
	}
}

// A document that ends the process is not tried at every start.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := keep(t, consul, nil)
	bad := one(app(t, "bad")) + "# ends the process\n"
	consul.KVPut("gateway/app/config", bad)
	g := launch(t, environ)
	g.answers("/", http.StatusOK, "bad")
	g.signal(syscall.SIGKILL) // within its trial
	<-g.exited

	g = restored(t, environ)
	line := g.waitLogged("document is quarantined: the process ended while it came into service")
	if hash := sha256.Sum256([]byte(bad)); line["hash"] != hex.EncodeToString(hash[:]) {
		t.Errorf("logged %v, want the hash of the document", line)
	}
	s := g.wait("the document to be refused", func(s status) bool { return s.Revision.LastRejected != nil })
	why := s.Revision.LastRejected.Reasons
	if len(why) != 1 || !strings.HasPrefix(why[0], "quarantined: ") || !s.Ready {
		t.Errorf("ready %v, rejected for %q", s.Ready, why)
	}
	g.now("/", http.StatusOK, "kept")
	g.stop()
	g = restored(t, environ) // it still is, at the next start
	g.wait("the document to be refused again", func(s status) bool { return s.Revision.LastRejected != nil })
	g.signal(syscall.SIGHUP) // a person wants it
	g.answers("/", http.StatusOK, "bad")
	g.stop()
	g = launch(t, environ)
	g.answers("/", http.StatusOK, "bad")
	if s := g.status(); s.Revision.LastRejected != nil {
		t.Errorf("rejected for %q", s.Revision.LastRejected.Reasons)
	}
}

func (g *gateway) body(path string) string {
	g.t.Helper()
	_, body, err := fetch(g.url + path)
	if err != nil {
		g.t.Fatal(err)
	}
	return body
}
