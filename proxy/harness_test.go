package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/proxy/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/sock"
	"github.com/fabian4/gateway-homebrew-go/sidecar/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// gateway is a data plane with one revision, as sidecar would run it.
type gateway struct {
	t        testing.TB
	server   *proxy.Server
	set      *cluster.Set
	registry *telemetry.Registry
	sweeper  *sock.Sweeper
	certs    *mtls.Set
	addr     string // of the listener "web"
}

// start runs a gateway on a document. The listener "web" is added on a port that the kernel chooses, unless the document has listeners.
func start(t testing.TB, document string, options ...func(*proxy.Options)) *gateway {
	t.Helper()
	g := &gateway{t: t, registry: telemetry.NewRegistry(), sweeper: sock.NewSweeper()}
	logger := hclog.NewNullLogger()
	g.set = cluster.NewSet(cluster.Options{Registry: g.registry, Logger: logger})
	g.certs = mtls.NewSet(mtls.Options{})
	t.Cleanup(g.certs.Close)
	ctx, cancel := context.WithCancel(context.Background())
	o := proxy.Options{Registry: g.registry, Logger: logger, Sweeper: g.sweeper, Limit: sock.NewLimit(1000)}
	for _, f := range options {
		f(&o)
	}
	g.server = proxy.New(ctx, o)
	swept := make(chan struct{})
	go func() { defer close(swept); g.sweeper.Run(ctx) }()
	g.apply(document)
	g.addr, _, _ = g.server.Listener("web")
	t.Cleanup(func() {
		drain, done := context.WithTimeout(context.Background(), 2*time.Second)
		defer done()
		g.server.Drain(drain)
		cancel()
		<-swept
		g.set.Retire(nil)
	})
	return g
}

// apply makes the document the serving revision.
func (g *gateway) apply(document string) {
	g.t.Helper()
	base := config.Standard()
	if !strings.Contains(document, "listeners:") {
		base.Listeners = []config.Listener{{Name: "web", Address: "127.0.0.1:0", Protocol: config.ProtocolHTTP}}
	}
	doc, err := config.Decode([]byte(document), base)
	if err != nil {
		g.t.Fatalf("document: %v", err)
	}
	clusters, keep := map[string]*cluster.Cluster{}, []*cluster.Cluster{}
	for _, c := range doc.Clusters {
		cl, err := g.set.Prepare(c)
		if err != nil {
			g.t.Fatalf("cluster %s: %v", c.Name, err)
		}
		clusters[c.Name] = cl
		keep = append(keep, cl)
	}
	certs, err := g.certs.Prepare(doc)
	if err != nil {
		g.t.Fatalf("certificates: %v", err)
	}
	g.t.Cleanup(certs.Close)
	plan, err := g.server.Prepare(doc, clusters, certs)
	if err != nil {
		g.t.Fatalf("prepare: %v", err)
	}
	plan.Commit()
	g.set.Retire(keep)
}

// to is a document with one route to one endpoint.
func to(address string) string {
	return "routes:\n- {name: all, match: {path_prefix: /}, cluster: app}\nclusters:\n- {name: app, endpoints: [\"" + address + "\"]}\n"
}

// backend runs an HTTP server of Go's own for the gateway to forward to.
func backend(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// dial connects to the gateway.
func (g *gateway) dial() *net.TCPConn {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		g.t.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// talk sends raw bytes and returns everything that comes back until the gateway closes or ends its answer to the last request.
func (g *gateway) talk(raw string) string {
	g.t.Helper()
	c := g.dial()
	if _, err := io.WriteString(c, raw); err != nil {
		g.t.Fatal(err)
	}
	c.CloseWrite()
	b, err := io.ReadAll(c)
	if err != nil {
		g.t.Fatalf("read after %q: %v", b, err)
	}
	return string(b)
}

// ask sends a raw request and parses one response with its body.
func (g *gateway) ask(raw string) (*http.Response, string) {
	g.t.Helper()
	c := g.dial()
	if _, err := io.WriteString(c, raw); err != nil {
		g.t.Fatal(err)
	}
	return response(g.t, bufio.NewReader(c), raw)
}

func response(t testing.TB, r *bufio.Reader, raw string) (*http.Response, string) {
	t.Helper()
	method, _, _ := strings.Cut(raw, " ")
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("response to %.80q: %v", raw, err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("body: %v", err)
	}
	return res, string(b)
}
