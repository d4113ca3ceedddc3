package sidecar_test

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// TestConsul is a day with one Consul: what is put is served, what is bad is not,
// and what Consul suffers is nobody's trouble.
func TestConsul(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *testserver.ConsulServer)
	}{
		{"document", testDocument},
		{"refused documents", testRefusedDocuments},
		{"folder", testFolder},
		{"deleted and put again", testDeleted},
		{"endpoints", testEndpoints},
		{"only_passing aborted", testOnlyPassingAborted},
		{"bootstrap beside the document", testBootstrapBeside},
		{"held without Consul", testHeldWithoutConsul},
		{"killed and hanging", testOutage},
		{"restored", testRestored},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, consul) })
	}
}

// follower is a gateway that follows consul for a service of its own, and the key of its document.
func follower(t *testing.T, consul *testserver.ConsulServer, more env) (g *gateway, key string) {
	t.Helper()
	service := strings.ReplaceAll(strings.ToLower(t.Name()[strings.LastIndexByte(t.Name(), '/')+1:]), "_", "-")
	environ := env{"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SERVICE": service}
	maps.Copy(environ, more)
	g = up(t, environ)
	return g, "gateway/" + service + "/config"
}

// shared is a document that splits traffic between a and b.
func shared(a string, weightA int, b string, weightB int) string {
	return fmt.Sprintf(`
routes: [{name: all, clusters: [{name: a, weight: %d}, {name: b, weight: %d}]}]
clusters:
  - {name: a, endpoints: [%q]}
  - {name: b, endpoints: [%q]}
`, weightA, weightB, a, b)
}

// Put a document and it is served, change a weight and the split follows.
func testDocument(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	testserver.WaitFor(t, longestWait, "a reason not to be ready", func() bool {
		code, why, _ := fetch(g.admin + "/ready")
		return code == http.StatusServiceUnavailable &&
			why == "no routes: the bootstrap has none, and consul has no document (kv "+strconv.Quote(key)+")\n"
	})
	a, b := app(t, "a"), app(t, "b")
	consul.KVPut(key, one(a))
	g.answers("/", http.StatusOK, "a")
	if code, _, _ := fetch(g.admin + "/ready"); code != http.StatusOK {
		t.Errorf("/ready = %d with a document", code)
	}
	consul.KVPut(key, shared(a, 3, b, 1))
	g.splits("/", map[string]int{"a": 30, "b": 10})
	consul.KVPut(key, shared(a, 1, b, 1))
	g.splits("/", map[string]int{"a": 20, "b": 20})
	consul.KVPut(key, shared(a, 0, b, 1))
	g.splits("/", map[string]int{"b": 40})

	s := g.wait("five revisions", func(s status) bool { return s.Revision.Applied >= 5 }) // noted after it serves
	if s.Revision.Source != "consul" || s.Revision.Applied != 5 || s.Revision.Rejected != 0 || s.Revision.ID == "" {
		t.Errorf("revision %+v, want the fifth (the bootstrap's is one), from consul", s.Revision)
	}
	if code, document, err := fetch(g.admin + "/config"); err != nil || code != http.StatusOK ||
		!strings.Contains(document, "name: all") {
		t.Errorf("/config: %d %q %v", code, document, err)
	}
}

// A bad document: every problem is told, in the log and in /status, and the old
// one goes on.
func testRefusedDocuments(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	old := one(app(t, "old"))
	consul.KVPut(key, old)
	g.answers("/", http.StatusOK, "old")
	for n, row := range []struct {
		name, document string
		says           []string // what each problem holds
	}{
		{"three problems", "routes: [{name: all, cluster: nobody}]\nclusters: [{name: c, endpoints: " +
			"[\"1.2.3.4\"]}]\nroute: []\n", []string{"nobody", "1.2.3.4", "route"}},
		{"empty", "", []string{key + ": empty"}},
		{"blank", " \n", []string{"empty"}},
		{"not YAML", "routes: [", []string{"1:"}},
		{"pointer", `{"v":1,"rev":7,"sha256":"00","parts":["x"]}`, []string{"pointer"}},
		{"withdrawn pointer", `{"v":1,"withdrawn":true}`, []string{"pointer"}},
		{"port taken", "listeners: [{name: more, address: \"" + testserver.Listen(t).Addr().String() + "\"}]\n" +
			one("127.0.0.1:1"), []string{"address already in use"}},
		{"no certificate", "listeners: [{name: more, address: \"127.0.0.1:0\", tls: {certificates: [{cert_file: " +
			"none.pem, key_file: none.key}]}}]\n" + one("127.0.0.1:1"), []string{"none.pem"}},
	} {
		consul.KVPut(key, row.document)
		s := g.wait(row.name+" to be rejected", func(s status) bool { return s.Revision.Rejected == n+1 })
		why := s.Revision.LastRejected.Reasons
		if len(why) != len(row.says) {
			t.Errorf("%s: rejected for %q, want %d problems", row.name, why, len(row.says))
		}
		for _, word := range row.says {
			if !strings.Contains(strings.Join(why, "\n"), word) {
				t.Errorf("%s: rejected for %q, want a word of %s", row.name, why, word)
			}
		}
		var lines []map[string]any
		testserver.WaitFor(t, longestWait, "the log line of "+row.name, func() bool { // it comes after /status shows it
			lines = g.logged("revision rejected, what served goes on serving")
			return len(lines) > n
		})
		if len(lines) != n+1 || fmt.Sprint(lines[n]["reasons"]) != fmt.Sprint(why) {
			t.Errorf("%s: %d lines in the log, the last with %v, want the same reasons", row.name, len(lines),
				lines[len(lines)-1]["reasons"])
		}
		g.now("/", http.StatusOK, "old")
		if !s.Ready {
			t.Errorf("%s: not ready for %q", row.name, s.Reasons)
		}
	}
	consul.KVPut(key, one(app(t, "new")))
	g.answers("/", http.StatusOK, "new")
	g.wait("/status to tell no more of what was rejected",
		func(s status) bool { return s.Revision.LastRejected == nil })
}

// A key that ends in a slash is a folder of documents that are one revision.
func testFolder(t *testing.T, consul *testserver.ConsulServer) {
	g, _ := follower(t, consul, env{"GATEWAY_CONSUL_KEY": "gateway/many/", "GATEWAY_INSTANCE": "one"})
	consul.KVPut("gateway/many/deeper/x", "not read: [")
	consul.KVPut("gateway/many/20-a", "routes: [{name: a, match: {path_prefix: /a}, cluster: a}]\nclusters: [{name: "+
		"a, endpoints: [\""+app(t, "a")+"\"]}]\n")
	g.answers("/a", http.StatusOK, "a")
	consul.KVPut("gateway/many/30-b", "routes: [{name: b, match: {path_prefix: /b}, cluster: b}]\nclusters: [{name: "+
		"b, endpoints: [\""+app(t, "b")+"\"]}]\n")
	g.answers("/b", http.StatusOK, "b")
	g.now("/a", http.StatusOK, "a")

	consul.KVPut("gateway/many/40-twice", "clusters: [{name: b, endpoints: [\"127.0.0.1:1\"]}]\n")
	if why := strings.Join(g.rejection(), "\n"); !strings.Contains(why, "40-twice") || !strings.Contains(why, "b") {
		t.Errorf("rejected for %q, want the key and the name that is there twice", why)
	}
	consul.KVDelete("gateway/many/40-twice")
	consul.KVDelete("gateway/many/20-a")
	g.answers("/a", http.StatusNotFound, "no route\n")
	g.now("/b", http.StatusOK, "b")
	testserver.WaitFor(t, longestWait, "the verdict, beside the folder", func() bool {
		said, _ := consul.KV("gateway/many.ack/one")
		return strings.Contains(said, `"state":"applied"`)
	})
}

// A document that is deleted goes on serving; the same one put again is adopted.
func testDeleted(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	document := one(app(t, "kept"))
	consul.KVPut(key, document)
	g.answers("/", http.StatusOK, "kept")
	// The bootstrap's revision may have been the first, or Consul's document came before it.
	first := g.wait("the document", func(s status) bool { return s.Revision.Source == "consul" }).Revision
	requests := g.load("/")
	consul.KVDelete(key)
	g.wait("the revision to be orphaned", func(s status) bool { return s.Revision.Orphaned })
	g.waitLogged("document is gone, the last revision goes on serving")
	if s := g.status(); !s.Ready {
		t.Errorf("orphaned and not ready: %q", s.Reasons)
	}
	consul.KVPut(key, document)
	s := g.wait("the revision to be no orphan", func(s status) bool { return !s.Revision.Orphaned })
	consul.KVDelete(key)
	g.wait("the revision to be orphaned again", func(s status) bool { return s.Revision.Orphaned })
	consul.KVPut(key, one(app(t, "new")))
	g.answers("/", http.StatusOK, "new")
	if s.Revision.Applied != first.Applied || s.Revision.ID != first.ID {
		t.Errorf("revision %s, %d applied, for one document put twice; want %s and %d as before", s.Revision.ID,
			s.Revision.Applied, first.ID, first.Applied)
	}
	requests.none(t)
}

// discovered is a document whose one cluster is a service of the catalog.
func discovered(service string) string {
	return "routes: [{name: all, cluster: c}]\nclusters: [{name: c, consul: {service: " + service + "}}]\n"
}

// Instances come, change their weight, fall ill, are maintained and go.
func testEndpoints(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	instance := func(id string, weight int) testserver.Service {
		return testserver.Service{ID: id, Name: "shop", Weight: weight, Warning: 1}
	}
	a, b := instance("shop-a", 1), instance("shop-b", 1)
	a.Port, b.Port = port(t, app(t, "a")), port(t, app(t, "b"))

	consul.KVPut(key, discovered("shop"))
	g.answers("/", http.StatusServiceUnavailable, "no healthy upstream\n")
	consul.Register(a)
	g.answers("/", http.StatusOK, "a")
	requests := g.load("/")
	consul.Register(b)
	g.splits("/", map[string]int{"a": 4, "b": 4})
	b.Weight = 3
	consul.Register(b)
	g.splits("/", map[string]int{"a": 3, "b": 9})
	consul.Warn("shop-b")
	g.splits("/", map[string]int{"a": 6, "b": 6})
	consul.Critical("shop-b")
	g.splits("/", map[string]int{"a": 8})
	consul.Pass("shop-b")
	g.splits("/", map[string]int{"a": 3, "b": 9})
	consul.Maintenance("shop-a", true)
	g.splits("/", map[string]int{"b": 8})
	consul.Maintenance("shop-a", false)
	g.splits("/", map[string]int{"a": 3, "b": 9})
	consul.Deregister("shop-a")
	g.splits("/", map[string]int{"b": 8})
	consul.Critical("shop-b") // the only one there is: better than none
	g.wait("panic", func(s status) bool { return s.Clusters[0].Panic })
	g.now("/", http.StatusOK, "b")
	consul.Deregister("shop-b") // and gone: held for a while
	g.wait("the last endpoint to be held", func(s status) bool {
		return len(s.Clusters[0].Endpoints) == 1 && s.Clusters[0].Endpoints[0].Consul.State == "deregistered"
	})
	g.now("/", http.StatusOK, "b")
	requests.none(t)
}

// What the environment names serves beside the document, from the catalog too.
func testBootstrapBeside(t *testing.T, consul *testserver.ConsulServer) {
	consul.Register(testserver.Service{Name: "users", Port: port(t, app(t, "users"))})
	g, key := follower(t, consul, env{
		"GATEWAY_APP":       app(t, "app"),
		"GATEWAY_UPSTREAMS": "users=consul:users",
		"GATEWAY_ROUTES":    "/users=users",
	})
	g.answers("/users", http.StatusOK, "users")
	g.answers("/", http.StatusOK, "app")
	consul.KVPut(key,
		"routes: [{name: all, cluster: app}, {name: more, match: {path_prefix: /more}, cluster: users}]\n")
	g.answers("/more", http.StatusOK, "users")
	g.now("/users", http.StatusOK, "users")
	g.now("/", http.StatusOK, "app")
}

// The time of a hold is over while Consul is away: the endpoints stay in use until Consul says once
// more that there are none.
func testHeldWithoutConsul(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	consul.Register(testserver.Service{Name: "held", Port: port(t, app(t, "a"))})
	consul.KVPut(key, "routes: [{name: all, cluster: held}]\nclusters: [{name: held, consul: {service: held, "+
		"empty_hold: 3s}}]\n")
	g.answers("/", http.StatusOK, "a")
	requests := g.load("/")
	consul.Deregister("held")
	g.wait("the endpoint to be held", func(s status) bool {
		return len(s.Clusters[0].Endpoints) == 1 && s.Clusters[0].Endpoints[0].Consul.State == "deregistered"
	})
	consul.Stop()
	g.wait("a query after the hold", func(s status) bool {
		held := s.Clusters[0].Endpoints[0].Consul.Held
		return held != nil && time.Since(*held) > time.Second
	})
	requests.none(t)
	consul.Start()
	g.answers("/", http.StatusServiceUnavailable, "no healthy upstream\n")
}

// Consul is killed for a while, and hangs for a while: not one request fails, and
// changes flow again when it is back.
func testOutage(t *testing.T, consul *testserver.ConsulServer) {
	static, found := app(t, "static"), app(t, "found")
	consul.Register(testserver.Service{ID: "outage-1", Name: "outage", Port: port(t, found)})
	g, key := follower(t, consul, nil)
	document := "routes: [{name: found, cluster: found}, {name: static, match: {path_prefix: /static}, " +
		"cluster: static}]\n" +
		"clusters: [{name: found, consul: {service: outage}}, {name: static, endpoints: [\"" + static + "\"]}]\n"
	consul.KVPut(key, document)
	g.answers("/static", http.StatusOK, "static")
	g.answers("/", http.StatusOK, "found")
	requests, others := g.load("/"), g.load("/static")

	consul.Stop()
	g.wait("every watch to notice", func(s status) bool {
		for _, d := range s.Discovery {
			if d.Failing < 2 || d.Class != "transport" {
				return false
			}
		}
		return len(s.Discovery) == 2
	})
	consul.Start()
	consul.KVPut(key, strings.Replace(document, "/static", "/moved", 1))
	g.answers("/moved", http.StatusOK, "static")
	others.none(t)
	others = g.load("/moved")

	consul.Pause()
	before := g.status()
	sofar := requests.count()
	testserver.WaitFor(t, 3*longestWait, "much to be served meanwhile",
		func() bool { return requests.count() >= sofar+2000 })
	if s := g.status(); !s.Ready || s.Revision.ID != before.Revision.ID {
		t.Errorf("while Consul hangs: ready %v, revision %q; want nothing changed from %q", s.Ready, s.Revision.ID,
			before.Revision.ID)
	}
	consul.Resume()
	consul.Pass("outage-1") // a restart has made it critical, and so it was all the time: the only one there was
	consul.Register(testserver.Service{ID: "outage-2", Name: "outage", Port: port(t, app(t, "second"))})
	g.splits("/", map[string]int{"found": 4, "second": 4})
	requests.none(t)
	others.none(t)
}

// A store that is set back takes the gateway with it, at once: indexes that went
// back are no reason to be blind.
func testRestored(t *testing.T, consul *testserver.ConsulServer) {
	g, key := follower(t, consul, nil)
	then, now := one(app(t, "then")), one(app(t, "now"))
	consul.KVPut(key, then)
	g.answers("/", http.StatusOK, "then")
	snapshot := consul.Snapshot()
	for i := range 20 {
		consul.KVPut("unrelated", fmt.Sprint(i)) // the index to come back from
	}
	consul.KVPut(key, now)
	g.answers("/", http.StatusOK, "now")
	requests := g.load("/")
	consul.Restore(snapshot)
	g.answers("/", http.StatusOK, "then")
	consul.KVPut(key, now)
	g.answers("/", http.StatusOK, "now")

	// The same across a restart: what was restored while we could not see it.
	consul.Stop()
	consul.Start()
	consul.Restore(snapshot)
	g.answers("/", http.StatusOK, "then")
	requests.none(t)
}
