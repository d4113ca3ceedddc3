package proxy_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// gateway is a data plane with one revision, as sidecar would run it.
type gateway struct {
	t        testing.TB
	server   *proxy.Server
	set      *cluster.Set
	registry *telemetry.Registry
	sweeper  *netio.Sweeper
	certs    *mtls.Set
	limit    *netio.Limit
	clusters []*cluster.Cluster // of all revisions
	addr     string             // of the listener "web"
	drained  sync.Once
}

// start runs a gateway on a document. The listener "web" is added on a port that the kernel chooses, unless the
// document has listeners.
func start(t testing.TB, document string, options ...func(*proxy.Options)) *gateway {
	t.Helper()
	alone(t)
	g := &gateway{t: t, registry: telemetry.NewRegistry(), sweeper: netio.NewSweeper()}
	logger := hclog.NewNullLogger()
	g.set = cluster.NewSet(cluster.Options{Registry: g.registry, Logger: logger})
	g.certs = mtls.NewSet(mtls.Options{})
	t.Cleanup(g.certs.Close)
	ctx, cancel := context.WithCancel(context.Background())
	o := proxy.Options{Registry: g.registry, Logger: logger, Sweeper: g.sweeper, Limit: netio.NewLimit(1000)}
	for _, f := range options {
		f(&o)
	}
	g.limit = o.Limit
	g.server = proxy.New(ctx, o)
	swept := make(chan struct{})
	go func() { defer close(swept); g.sweeper.Run(ctx) }()
	t.Cleanup(func() {
		g.drain(100 * time.Millisecond)
		cancel()
		<-swept
		g.set.Retire(nil)
		g.nothingLeft()
	})
	g.apply(document)
	g.addr, _, _ = g.server.Listener("web")
	return g
}

// nothingLeft waits until all that was taken has been given back: places of the limit, connections both ways, leases.
func (g *gateway) nothingLeft() {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "all connections and leases to end", func() bool {
		leases := int64(0)
		for _, c := range g.clusters {
			leases += c.InFlight()
		}
		return g.limit.Used() == 0 && g.sweeper.Len() == 0 && leases == 0
	})
}

// drain ends the gateway and returns how many connections it had to cut. Only the first call does anything.
func (g *gateway) drain(patience time.Duration) (cut int) {
	g.drained.Do(func() {
		ctx, done := context.WithTimeout(context.Background(), patience)
		defer done()
		cut = g.server.Drain(ctx)
	})
	return cut
}

// apply makes the document the serving revision.
func (g *gateway) apply(document string) {
	g.t.Helper()
	plan, keep, err := g.prepare(document)
	if err != nil {
		g.t.Fatalf("prepare: %v", err)
	}
	plan.Commit()
	g.set.Retire(keep)
}

// prepare does all of apply that can go wrong.
func (g *gateway) prepare(document string) (*proxy.Plan, []*cluster.Cluster, error) {
	g.t.Helper()
	base := config.Standard()
	if !strings.Contains(document, "listeners:\n") {
		base.Listeners = []config.Listener{{Name: "web", Address: "127.0.0.1:0", Protocol: config.ProtocolHTTP}}
	}
	doc, err := config.Decode([]byte(document), base)
	if err != nil {
		g.t.Fatalf("document: %v\n%s", err, document)
	}
	clusters, keep := map[string]*cluster.Cluster{}, []*cluster.Cluster{}
	for _, c := range doc.Clusters {
		cl, err := g.set.Prepare(c)
		if err != nil {
			g.t.Fatalf("cluster %s: %v", c.Name, err)
		}
		clusters[c.Name] = cl
		g.clusters = append(g.clusters, cl)
		keep = append(keep, cl)
	}
	certs, err := g.certs.Prepare(doc)
	if err != nil {
		g.t.Fatalf("certificates: %v", err)
	}
	g.t.Cleanup(certs.Close)
	plan, err := g.server.Prepare(doc, clusters, certs)
	return plan, keep, err
}

// to is a document with one route to one endpoint.
func to(address string) string { return routed(address, "") }

// routed is a document with one route, which has the options, to one endpoint.
func routed(address, options string) string { return clustered(options, "", address) }

// clustered is a document with one route to one cluster of these endpoints. The options are of the route and of the
// cluster.
func clustered(route, cluster string, addresses ...string) string {
	if route != "" {
		route = ", " + route
	}
	if cluster != "" {
		cluster = ", " + cluster
	}
	return "routes:\n- {name: all, match: {path_prefix: /}, cluster: app" + route + "}\n" +
		"clusters:\n- {name: app, endpoints: [\"" + strings.Join(addresses, `", "`) + "\"]" + cluster + "}\n"
}

// backend runs an HTTP server of Go's own for the gateway to forward to.
func backend(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	alone(t)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// alone makes sure that the test leaves no goroutine behind. Whoever starts one calls it first.
func alone(t testing.TB) {
	t.Helper()
	if _, seen := watched.LoadOrStore(t, true); !seen {
		t.Cleanup(func() { watched.Delete(t) })
		testserver.Goroutines(t)
	}
}

var watched sync.Map // the tests that alone looks after

// faults is how many answers the gateway has made itself under a flag.
func (g *gateway) faults(f telemetry.Flag) int64 { return g.registry.Fault(f).Load() }

// counted waits until there were n faults of the flag, and no more.
func (g *gateway) counted(f telemetry.Flag, n int64) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "faults "+f.String(), func() bool { return g.faults(f) >= n })
	if got := g.faults(f); got != n {
		g.t.Errorf("faults %s = %d, want %d", f, got, n)
	}
}

// ask sends a raw request on a connection of its own and parses the answer.
func (g *gateway) ask(raw string) (*answer, string) {
	g.t.Helper()
	c := g.dial()
	c.send(raw)
	return c.response(method(raw))
}

// talk sends raw bytes, ends its side, and returns everything that comes back.
func (g *gateway) talk(raw string) string {
	g.t.Helper()
	c := g.dial()
	c.send(raw)
	c.finish()
	return c.rest()
}

func method(raw string) string {
	m, _, _ := strings.Cut(raw, " ")
	return m
}

// statuses reads answers, all of GET requests, and returns their codes.
func statuses(t testing.TB, raw string) (codes []int) {
	t.Helper()
	for r := bufio.NewReader(strings.NewReader(raw)); ; {
		if _, err := r.Peek(1); err != nil {
			return codes
		}
		res, _ := parse(t, r, "GET")
		codes = append(codes, res.StatusCode)
	}
}
