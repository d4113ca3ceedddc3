package proxy_test

import (
	"bufio"
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// gateway is a data plane with one revision, as sidecar would run it.
type gateway struct {
	*testgateway.Gateway[*proxy.Plan, *proxy.Server]
	t        testing.TB
	server   *proxy.Server
	set      *cluster.Set
	registry *telemetry.Registry
	sweeper  *netio.Sweeper
	limit    *netio.Limit
	addr     string // of the listener "web"
	document string // that serves
}

// start runs a gateway on a document. The listener "web" is added on a port that the kernel chooses, unless the
// document has listeners.
func start(t testing.TB, document string, options ...func(*proxy.Options)) *gateway {
	t.Helper()
	alone(t)
	grace := 100 * time.Millisecond
	of := testgateway.New(t, grace, func(ctx context.Context, p *testgateway.Parts) *proxy.Server {
		o := proxy.Options{Registry: p.Registry, Logger: p.Logger, Sweeper: p.Sweeper, Limit: p.Limit}
		for _, f := range options {
			f(&o)
		}
		p.Limit = o.Limit
		return proxy.New(ctx, o)
	})
	g := &gateway{
		Gateway: of, t: t, server: of.Server, set: of.Set, registry: of.Registry, sweeper: of.Sweeper, limit: of.Limit,
	}
	g.apply(document)
	g.addr, _, _ = g.server.Listener("web")
	return g
}

// drain ends the gateway and returns how many connections it had to cut. Only the first call does anything.
func (g *gateway) drain(grace time.Duration) (cut int) { return g.Drain(grace) }

// apply makes the document the serving revision.
func (g *gateway) apply(document string) {
	g.t.Helper()
	g.Apply(document, withWeb(document))
	g.document = document
}

// prepare does all of apply that can go wrong.
func (g *gateway) prepare(document string) (*proxy.Plan, []*cluster.Cluster, error) {
	g.t.Helper()
	return g.Prepare(document, withWeb(document))
}

// withWeb adds the listener "web" to a document that has none.
func withWeb(document string) config.Base {
	base := config.Standard()
	if !strings.Contains(document, "listeners:\n") {
		base.Listeners = []config.Listener{{Name: "web", Address: "127.0.0.1:0", Protocol: config.ProtocolHTTP}}
	}
	return base
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
	for name := t.Name(); name != ""; {
		if _, seen := watched.Load(name); seen {
			return
		}
		end := strings.LastIndexByte(name, '/')
		name = name[:max(end, 0)]
	}
	watch(t)
}

// together is alone for a test whose parts mostly wait, and wait at the same time. One cannot be told from another, so
// that it is looked at when all have ended.
func together(t testing.TB) {
	t.Helper()
	watched.Store(t.Name(), true)
	t.Cleanup(func() { watched.Delete(t.Name()) })
	testserver.Goroutines(t)
}

func watch(t testing.TB) {
	t.Helper()
	if _, seen := watched.LoadOrStore(t, true); !seen {
		t.Cleanup(func() { watched.Delete(t) })
		testserver.Goroutines(t)
	}
}

// watched are the tests that alone looks after, and the names of those whose parts run together.
var watched sync.Map

// Tests that run together wait, and need no processor for that.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("16")
	}
	os.Exit(m.Run())
}

// faults is how many responses the gateway has made itself under a flag.
func (g *gateway) faults(f telemetry.Flag) int64 { return g.Faults(f) }

// counted waits until there were n faults of the flag, and no more.
func (g *gateway) counted(f telemetry.Flag, n int64) {
	g.t.Helper()
	g.Counted(f, n)
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
