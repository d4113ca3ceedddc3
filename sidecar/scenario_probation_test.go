package sidecar_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// two is a document with the routes /a and /b, to an endpoint each.
func two(a, b string) string {
	return fmt.Sprintf(`routes:
  - {name: a, match: {path_prefix: /a}, cluster: a}
  - {name: b, match: {path_prefix: /b}, cluster: b}
clusters:
  - {name: a, endpoints: [%q]}
  - {name: b, endpoints: [%q]}
`, a, b)
}

// before lets as many requests succeed as it takes to compare with.
func (l *load) before(t *testing.T) {
	t.Helper()
	testserver.WaitFor(t, longestWait, "requests to compare with", l.more(200))
}

// rolledBack waits until a revision was rolled back, and gives how long after the load had its first failure.
func (g *gateway) rolledBack(l *load) (after time.Duration) {
	g.t.Helper()
	s := g.wait("the revision to be rolled back", func(s status) bool { return s.Revision.RolledBack != nil })
	return s.Revision.RolledBack.At.Sub(l.firstFailure())
}

// A revision that is valid and does harm is taken back within 5 s of the first failed request; what it costs is told.
// Without requests nothing is known, and it stays.
func TestRollback(t *testing.T) {
	t.Parallel()
	good, refuses := app(t, "good"), testserver.Addr(t)
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, two(good, good))
	g := serve(t, env{"GATEWAY_CONFIG": path, "GATEWAY_PROBATION": "5s"})
	first := g.status().Revision.ID
	other := g.load("/b")
	requests := g.load("/a")
	requests.before(t)
	write(t, path, two(refuses, good))
	after := g.rolledBack(requests)
	if after > 5*time.Second {
		t.Errorf("rolled back %v after the first failure", after)
	}
	s := g.status()
	back := s.Revision.RolledBack
	if s.Revision.ID != first || back.To != first || !s.Ready || len(back.Reasons) != 1 ||
		!strings.HasPrefix(back.Reasons[0], "route a: ") || !strings.Contains(back.Reasons[0], " failed (UF ") {
		t.Errorf("revision %+v, rolled back %+v", s.Revision, back)
	}
	g.now("/a", http.StatusOK, "good")
	testserver.WaitFor(t, longestWait, "some more requests", requests.more(50))
	asked, lost := requests.stop()
	if uint64(len(lost)) < back.Failed || back.Failed < 20 {
		t.Errorf("%d requests were lost, %d told", len(lost), back.Failed)
	}
	t.Logf("rolled back %v after the first failure: %d of %d requests lost", after, len(lost), asked)
	other.none(t)
	line := g.waitLogged("revision rolled back, the one before serves again")
	if line["revision"] != back.ID || line["active"] != first || line["failed"] != float64(back.Failed) {
		t.Errorf("logged %v", line)
	}
	if _, text, err := fetch(g.admin + "/metrics"); err != nil ||
		!strings.Contains(text, "\ngateway_revision_rolled_back_total 1\n") {
		t.Errorf("metrics: %v: %s", err, text)
	}

	g.signal(syscall.SIGHUP) // a person wants it tried again, and nobody asks for it now
	g.wait("the revision to be tried again", func(s status) bool { return s.Revision.ID == back.ID })
	g.wait("its probation to end", func(s status) bool { return s.Revision.ProbationUntil.IsZero() })
	if s := g.status(); s.Revision.ID != back.ID || s.Revision.RolledBack != nil {
		t.Errorf("without requests: revision %+v", s.Revision)
	}
}

// With Consul as the source, what was put back has today's endpoints at once. The harmful document stays out across a
// restart, and a person may insist on it.
func TestRollbackWithConsul(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := keep(t, consul, env{"GATEWAY_SERVICE": "app"})
	bad := one(testserver.Addr(t))
	g := restored(t, environ)
	g.wait("Consul's document", func(s status) bool { return s.Revision.Source == "consul" })
	requests := g.load("/")
	requests.before(t)
	pushes(t, environ, bad)
	g.wait("the harmful document", func(s status) bool { return s.Clusters[0].Endpoints[0].Consul.State == "" })
	consul.Register(testserver.Service{Name: "kept", Port: port(t, app(t, "moved"))})
	if after := g.rolledBack(requests); after > 5*time.Second {
		t.Errorf("rolled back %v after the first failure", after)
	}
	g.now("/", http.StatusOK, "moved") // the former revision heard of it
	asked, lost := requests.stop()
	t.Logf("%d of %d requests lost", len(lost), asked)
	g.stop()

	// What was kept is what was put back.
	down := env{"CONSUL_HTTP_ADDR": testserver.Addr(t)}
	for name, value := range environ {
		if down[name] == "" {
			down[name] = value
		}
	}
	g = launch(t, down)
	g.answers("/", http.StatusOK, "moved")
	g.stop()

	g = launch(t, environ)
	g.answers("/", http.StatusOK, "moved")
	s := g.wait("the document to be refused", func(s status) bool { return s.Revision.LastRejected != nil })
	why := s.Revision.LastRejected.Reasons[0]
	if !strings.HasPrefix(why, "quarantined: it was rolled back at ") || !strings.Contains(why, "(route all: ") {
		t.Errorf("rejected for %q", why)
	}
	requests = g.load("/")
	requests.before(t)
	pushes(t, environ, bad, "--force")
	g.answers("/", http.StatusBadGateway, "upstream connect failed\n")
	if s := g.status(); !s.Revision.ProbationUntil.IsZero() {
		t.Errorf("on probation although it was forced: %+v", s.Revision)
	}
	requests.stop()
}

// A TCP listener is judged as a route is.
func TestRollbackOfL4(t *testing.T) {
	t.Parallel()
	good, refuses, address := app(t, "good"), testserver.Addr(t), testserver.Addr(t)
	document := func(endpoint string) string {
		return fmt.Sprintf("listeners: [{name: db, address: %q, protocol: tcp, cluster: db}]\n"+
			"clusters: [{name: db, endpoints: [%q]}]\n", address, endpoint)
	}
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	write(t, path, document(good))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	single := &http.Client{Timeout: longestWait, Transport: &http.Transport{DisableKeepAlives: true}}
	requests := &load{done: make(chan struct{})}
	requests.workers.Go(func() {
		requests.pace(10*time.Millisecond, func() (int, string, error) { return fetchBy(single, "http://"+address) })
	})
	t.Cleanup(func() { requests.stop() })
	requests.before(t)
	write(t, path, document(refuses))
	if after := g.rolledBack(requests); after > 5*time.Second {
		t.Errorf("rolled back %v after the first failure", after)
	}
	if why := g.status().Revision.RolledBack.Reasons[0]; !strings.HasPrefix(why, "listener db: ") ||
		!strings.Contains(why, " connections failed (UF ") {
		t.Errorf("rolled back for %q", why)
	}
	if _, text, err := fetchBy(single, "http://"+address); err != nil || text != "good" {
		t.Errorf("then %q, %v", text, err)
	}
}

// What ends the process in good order on probation keeps the revision before.
func TestStopOnProbation(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := keep(t, consul, nil)
	g := restored(t, environ)
	g.wait("Consul's document", func(s status) bool { return s.Revision.Source == "consul" })
	consul.KVPut("gateway/app/config", one(app(t, "new")))
	g.answers("/", http.StatusOK, "new")
	if s := g.status(); s.Revision.ProbationUntil.IsZero() {
		t.Errorf("not on probation: %+v", s.Revision)
	}
	g.stop()
	consul.Stop()
	restored(t, environ)
}
