package proxy_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// TestPanicEndsOneConnection has a request panic, over HTTP/1.1 and HTTP/2: its connection or stream ends, the others
// never notice.
func TestPanicEndsOneConnection(t *testing.T) {
	for name, h2 := range map[string]bool{"h1": false, "h2": true} {
		t.Run(name, func(t *testing.T) {
			app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			var broken atomic.Bool
			dial := netio.Dialer(nil)
			// the place of what panicked is given back
			limited := clustered("", "limits: {max_connections: 1, max_pending: 0}", app)
			g := start(t, limited, func(o *proxy.Options) {
				o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					if broken.Swap(false) {
						panic("a bug of ours")
					}
					return dial(ctx, address)
				}
			})
			c := versionClient(t, h2)
			broken.Store(true)
			if res, err := c.Post("http://"+g.addr, "text/plain", nil); err == nil {
				res.Body.Close()
				t.Errorf("the request that panicked was answered with %d", res.StatusCode)
			}
			res, err := c.Get("http://" + g.addr)
			if err != nil {
				t.Fatalf("the next request: %v", err)
			}
			defer res.Body.Close()
			if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "ok" {
				t.Errorf("the next request: %d %q", res.StatusCode, b)
			}
			if n := g.registry.Panics.Count(telemetry.L7); n != 1 {
				t.Errorf("%d panics were survived, want 1", n)
			}
		})
	}
}

// TestPanicGivesItsRetryBack has retries panic: their places in the budget are free again.
func TestPanicGivesItsRetryBack(t *testing.T) {
	e := listen(t)
	var dials atomic.Int64
	dial := netio.Dialer(nil)
	g := start(t, routed(e.addr, "retries: {attempts: 2, on: [\"503\"]}"), func(o *proxy.Options) {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if n := dials.Add(1); n%2 == 0 && n <= 4*minRetries {
				panic("a bug of ours")
			}
			return dial(ctx, address)
		}
	})
	const busy = "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	for range 2 * minRetries {
		c := g.dial()
		c.send(get("/"))
		e.accept().serve(busy)
		c.broken()
	}
	c := g.dial()
	c.send(get("/"))
	e.accept().serve(busy)
	e.accept().serve(ok("good"))
	c.status(200)
}

// TestPanicEndsItsUpload has a request panic in the middle of its upload. The connection to the endpoint ends, its
// slot is free, and there is a record.
func TestPanicEndsItsUpload(t *testing.T) {
	for name, h2 := range map[string]bool{"h1": false, "h2": true} {
		t.Run(name, func(t *testing.T) {
			app := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			var broken atomic.Bool
			broken.Store(true)
			dial := netio.Dialer(nil)
			log := newLog(t)
			g := start(t, clustered("", "limits: {max_connections: 1, max_pending: 0}", app), log.use,
				func(o *proxy.Options) {
					o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
						nc, err := dial(ctx, address)
						if broken.Swap(false) {
							return panicking{nc}, err
						}
						return nc, err
					}
				})
			c := versionClient(t, h2)
			if res, err := c.Post("http://"+g.addr, "text/plain", random(1, math.MaxInt64)); err == nil {
				res.Body.Close()
				t.Errorf("the request that panicked was answered with %d", res.StatusCode)
			}
			res, err := c.Post("http://"+g.addr, "text/plain", strings.NewReader("ok"))
			if err != nil {
				t.Fatalf("the next request: %v", err)
			}
			defer res.Body.Close()
			if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "ok" {
				t.Errorf("the next request: %d %q", res.StatusCode, b)
			}
			if line := log.lineOf(2, "status", 500.0); line["cluster"] != "app" {
				t.Errorf("logged cluster %v", line["cluster"])
			}
		})
	}
}

// panicking is a connection that brings out a bug of ours when it is read.
type panicking struct{ net.Conn }

func (panicking) Read([]byte) (int, error) { panic("a bug of ours") }

// touchy is a logger that panics when it is told of a limit, or of what failed before a request.
type touchy struct{ hclog.Logger }

func (l touchy) Debug(what string, _ ...any) {
	switch what {
	case "http2 limit", "handshake failed", "PROXY header":
		panic("a bug of ours")
	}
}

// A panic before the first request ends its connection, which gives back its place.
func TestPanicBeforeARequest(t *testing.T) {
	cert, key := testcert.NewCA(t, "ca").Server(t, "a.test").Write(t, t.TempDir(), "server")
	for name, listener := range map[string]string{
		"in a handshake":    fmt.Sprintf("tls: {certificates: [{cert_file: %q, key_file: %q}]}", cert, key),
		"in a PROXY header": "proxy_protocol: {from: [127.0.0.0/8]}",
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, "listeners: [{name: web, address: \"127.0.0.1:0\", protocol: http, "+listener+"}]\n"+
				"routes: [{name: all, cluster: app}]\nclusters: [{name: app, endpoints: [\"127.0.0.1:1\"]}]\n",
				func(o *proxy.Options) { o.Logger = touchy{o.Logger} })
			for range 2 {
				c := g.dial()
				c.send("no such thing, and long enough to be one of them\r\n\r\n")
				if b, err := io.ReadAll(c.r); len(b) > 0 || err != nil && !isReset(err) {
					t.Errorf("read %q, %v, want the end", b, err)
				}
			}
			active := g.registry.Listener("web", telemetry.L7).Active.Load
			testserver.WaitFor(t, patience, "the connections to end", func() bool { return active() == 0 })
			if n := g.registry.Panics.Count(telemetry.L7); n != 2 {
				t.Errorf("%d panics were survived, want 2", n)
			}
		})
	}
}

// A panic on a goroutine that reads a connection of HTTP/2, where no request has a goroutine of its own, ends that
// connection alone.
func TestPanicInAnEventEndsOneConnection(t *testing.T) {
	app := versionBackend(t, true, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	g := start(t, clustered("", "protocol: http2", app),
		func(o *proxy.Options) { o.Logger, o.MaxHead = touchy{o.Logger}, 1000 })
	one, other := g.dial2(), g.dial2()
	one.Ask(1, true, "GET", "/")
	one.Answer(1, "200")
	other.Ask(1, false, "POST", "/")
	other.Head(1, true, "x-big", strings.Repeat("x", 2000)) // as trailers
	if away, ok := other.Next().(*http2.GoAwayFrame); !ok || away.ErrCode != http2.ErrCodeInternal {
		t.Errorf("got %v, want a GOAWAY with INTERNAL_ERROR", away)
	}
	one.Ask(3, true, "GET", "/")
	one.Answer(3, "200")
	if n := g.registry.Panics.Count(telemetry.L7); n != 1 {
		t.Errorf("%d panics were survived, want 1", n)
	}
}

// mine is a connection that brings out a bug of ours, once, when the function of that name writes to it.
type mine struct {
	*net.TCPConn
	under string
	armed *atomic.Bool
}

// mined is an option of start: the connections to endpoints are mines.
func mined(under string, armed *atomic.Bool) func(*proxy.Options) {
	dial := netio.Dialer(nil)
	return func(o *proxy.Options) {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			nc, err := dial(ctx, address)
			if err != nil {
				return nil, err
			}
			return mine{nc.(*net.TCPConn), under, armed}, nil
		}
	}
}

func (m mine) SyscallConn() (syscall.RawConn, error) {
	raw, err := m.TCPConn.SyscallConn()
	return minedRaw{raw, m}, err
}

type minedRaw struct {
	syscall.RawConn
	m mine
}

func (r minedRaw) Write(f func(uintptr) bool) error {
	if r.m.armed.Load() && strings.Contains(string(debug.Stack()), r.m.under) {
		r.m.armed.Store(false)
		panic("a bug of ours")
	}
	return r.RawConn.Write(f)
}

// requestless waits until the gateway has no request: none is counted as active, and none has a place in the cluster.
func (g *gateway) requestless() {
	g.t.Helper()
	l := g.registry.Listener("web", telemetry.L7)
	active := func() (n int64) {
		for _, m := range []telemetry.Method{telemetry.MethodGet, telemetry.MethodPost, telemetry.MethodPut} {
			n += l.Requests(m, telemetry.SchemeHTTP).Load()
		}
		return n
	}
	testserver.WaitFor(g.t, patience, "all requests to end",
		func() bool { return active() == 0 && g.Clusters["app"].InFlight() == 0 })
}

// survived checks that the one panic was counted, and that all that the request had been given is free again. The next
// one gets the only place in the queue and the only connection to the endpoint.
func (g *gateway) survived(c *http.Client) {
	g.t.Helper()
	g.requestless()
	if n := g.registry.Panics.Count(telemetry.L7); n != 1 {
		g.t.Errorf("%d panics were counted, want 1", n)
	}
	res, err := c.Post("http://"+g.addr, "text/plain", strings.NewReader("ok"))
	if err != nil {
		g.t.Fatalf("the next request: %v", err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "ok" {
		g.t.Errorf("the next request: %d %q", res.StatusCode, b)
	}
	g.requestless()
}

const scarce = "limits: {max_connections: 1, max_pending: 0}"

// A panic where the reading goroutine of a client's connection sends a request itself ends that request alone. The
// other streams of the connection go on.
func TestPanicInAnInlineRequest(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	var armed atomic.Bool
	g := start(t, clustered("", scarce, app), mined("sendInline", &armed), queued(1, 0))
	c := g.dial2()
	c.Ask(1, true, "GET", "/")
	c.Answer(1, "200")
	g.requestless()
	armed.Store(true)
	c.Ask(3, true, "GET", "/")
	c.Reset(3, http2.ErrCodeInternal)
	g.survived(versionClient(t, true))
	c.Ask(5, true, "GET", "/")
	c.Answer(5, "200")
}

// A panic in the goroutine that sends a request's body ends that request alone. That holds also for a retry, whose
// place in the budget is given back.
func TestPanicInAnUpload(t *testing.T) {
	for name, h2 := range map[string]bool{"h1": false, "h2": true} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			var armed atomic.Bool
			g := start(t, clustered("retries: {attempts: 2, on: [\"503\"]}", scarce, e.addr),
				mined("(*upload).run", &armed), queued(1, 0))
			c := versionClient(t, h2)
			for n := range int64(2 * minRetries) { // more than the budget has
				body, w := io.Pipe()
				req, err := http.NewRequest("PUT", "http://"+g.addr, body)
				if err != nil {
					t.Fatal(err)
				}
				status := make(chan int, 1)
				go func() {
					res, err := c.Do(req)
					if err != nil {
						t.Error(err)
						status <- 0
						return
					}
					res.Body.Close()
					status <- res.StatusCode
				}()
				up := e.accept()
				up.head()
				up.send("HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				e.accept().head()
				armed.Store(true)
				_, _ = w.Write([]byte("x"))
				if got := <-status; got != 500 {
					t.Errorf("status = %d, want 500", got)
				}
				w.Close()
				g.requestless()
				if got := g.registry.Panics.Count(telemetry.L7); got != n+1 {
					t.Fatalf("%d panics were counted, want %d", got, n+1)
				}
			}
			if n := g.Registry.Cluster("app").Overflow.Load(); n != 0 { // where retries have no place, too
				t.Errorf("%d times there was no place", n)
			}
		})
	}
}

// A panic in the second goroutine of an upgraded connection ends that connection alone.
func TestPanicInATunnel(t *testing.T) {
	e := listen(t)
	var armed atomic.Bool
	g := start(t, clustered("", scarce, e.addr), mined("switchProtocols.func1", &armed), queued(1, 0))
	c := g.dial()
	c.send(upgrade)
	up := e.accept()
	up.head()
	up.send(switched)
	c.expect(answered)
	up.send("from the endpoint")
	c.expect("from the endpoint")
	armed.Store(true)
	c.send("from the client")
	c.broken()
	up.ended()
	done := make(chan struct{})
	go func() { defer close(done); w := e.accept(); w.head(); w.expect("ok"); w.send(ok("ok")) }()
	g.survived(versionClient(t, false))
	<-done
}
