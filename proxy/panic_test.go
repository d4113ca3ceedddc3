package proxy_test

import (
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// TestPanicEndsOneConnection has a request panic, over HTTP/1.1 and HTTP/2: its connection or stream ends, the others
// never notice.
func TestPanicEndsOneConnection(t *testing.T) {
	for name, h2 := range map[string]bool{"h1": false, "h2": true} {
		t.Run(name, func(t *testing.T) {
			app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			var broken atomic.Bool
			dial := netio.Dialer()
			g := start(t, to(app), func(o *proxy.Options) {
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
			if n := g.server.Panics(); n != 1 {
				t.Errorf("%d panics were survived, want 1", n)
			}
		})
	}
}

// TestPanicGivesItsRetryBack has retries panic: their places in the budget are free again.
func TestPanicGivesItsRetryBack(t *testing.T) {
	e := listen(t)
	var dials atomic.Int64
	dial := netio.Dialer()
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

// TestPanicEndsItsUpload has a request panic in the middle of its upload: the connection to the endpoint ends, its
// slot is free, and there is a record.
func TestPanicEndsItsUpload(t *testing.T) {
	for name, h2 := range map[string]bool{"h1": false, "h2": true} {
		t.Run(name, func(t *testing.T) {
			app := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			var broken atomic.Bool
			broken.Store(true)
			dial := netio.Dialer()
			log := newLog(t)
			g := start(t, clustered("", "limits: {max_connections: 1, max_pending: 0}", app), log.use, func(o *proxy.Options) {
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
			if line := log.lines(2)[0]; line["status"] != 500.0 || line["cluster"] != "app" {
				t.Errorf("logged status %v, cluster %v", line["status"], line["cluster"])
			}
		})
	}
}

// panicking is a connection that brings out a bug of ours when it is read.
type panicking struct{ net.Conn }

func (panicking) Read([]byte) (int, error) { panic("a bug of ours") }

// touchy is a logger that panics when it is told of a limit.
type touchy struct{ hclog.Logger }

func (l touchy) Debug(what string, _ ...any) {
	if what == "http2 limit" {
		panic("a bug of ours")
	}
}

// A panic on a goroutine that reads a connection of HTTP/2, where no request has a goroutine of its own, ends that
// connection alone.
func TestPanicInAnEventEndsOneConnection(t *testing.T) {
	app := versionBackend(t, true, func(http.ResponseWriter, *http.Request) {})
	g := start(t, clustered("", "protocol: http2", app), func(o *proxy.Options) { o.Logger, o.MaxHead = touchy{o.Logger}, 1000 })
	one, other := g.dial2(), g.dial2()
	one.Ask(1, true, "GET", "/")
	one.Answer(1, "200")
	other.Ask(1, true, "GET", "/", "x-big", strings.Repeat("x", 2000))
	if away, ok := other.Next().(*http2.GoAwayFrame); !ok || away.ErrCode != http2.ErrCodeInternal {
		t.Errorf("got %v, want a GOAWAY with INTERNAL_ERROR", away)
	}
	one.Ask(3, true, "GET", "/")
	one.Answer(3, "200")
	if n := g.server.Panics(); n != 1 {
		t.Errorf("%d panics were survived, want 1", n)
	}
}
