package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// queued holds back what goes to the cluster app.
func queued(concurrency int, timeout time.Duration) func(*proxy.Options) {
	return func(o *proxy.Options) {
		o.Queue = proxy.Queue{Cluster: "app", Concurrency: concurrency, Timeout: timeout}
	}
}

// overflows waits until the cluster's limits have refused that often.
func (g *gateway) overflows(n int64) {
	g.t.Helper()
	c := &g.registry.Cluster("app").Overflow
	testserver.WaitFor(g.t, patience, "overflow", func() bool { return c.Load() >= n })
	if got := c.Load(); got != n {
		g.t.Errorf("overflow = %d, want %d", got, n)
	}
}

func TestQueueLetsOneInAtATime(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr), queued(1, patience))
	first, second := g.dial(), g.dial()
	first.send(get("/1"))
	up := e.accept()
	up.head()
	second.send(get("/2"))
	second.silent()
	e.unused()
	up.send(ok("one"))
	first.status(200)
	if h := up.serve(ok("two")); !strings.HasPrefix(h, "GET /2 ") {
		t.Errorf("head = %q", h)
	}
	second.status(200)
	g.overflows(0)
}

func TestQueueTimeout(t *testing.T) {
	e := listen(t)
	log := newLog(t)
	g := start(t, to(e.addr), queued(1, 100*time.Millisecond), log.use)
	first, second := g.dial(), g.dial()
	first.send(get("/1"))
	up := e.accept()
	up.head()
	second.send(get("/2"))
	if res, body := second.response("GET"); res.StatusCode != 503 || body != "upstream limit reached\n" || res.Close {
		t.Errorf("answer = %d %q, close %v", res.StatusCode, body, res.Close)
	}
	if l := log.lines(1)[0]; l["flag"] != "UO" || l["cluster"] != "app" || l["attempts"] != 0.0 {
		t.Errorf("logged %v", l)
	}
	g.counted(telemetry.UO, 1)
	g.overflows(1)
	up.send(ok(""))
	first.status(200)
	second.send(get("/3"))
	up.serve(ok(""))
	second.status(200)
}

// Who goes away leaves the queue: the next one gets the place, and the app never hears of the first.
func TestQueueForgetsClientsThatLeave(t *testing.T) {
	together(t)
	for _, how := range []string{"reset", "end"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g := start(t, to(e.addr), queued(1, patience))
			first, gone, last := g.dial(), g.dial(), g.dial()
			first.send(get("/1"))
			up := e.accept()
			up.head()
			gone.send(get("/2"))
			gone.silent()
			if how == "reset" {
				gone.reset()
			} else {
				gone.finish()
			}
			g.counted(telemetry.DC, 1)
			last.send(get("/3"))
			last.silent()
			up.send(ok(""))
			first.status(200)
			if h := up.serve(ok("")); !strings.HasPrefix(h, "GET /3 ") {
				t.Errorf("head = %q", h)
			}
			last.status(200)
		})
	}
}

// Waiting is part of the time that a route gives a request.
func TestQueueDeadline(t *testing.T) {
	e := listen(t)
	g := start(t, routed(e.addr, "timeouts: {request: 100ms}"), queued(1, patience))
	first, second := g.dial(), g.dial()
	first.send(get("/1"))
	e.accept().head()
	second.send(get("/2"))
	first.status(504)
	second.status(504)
	g.overflows(0)
}

func TestQueueOverRevisions(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr), queued(1, 50*time.Millisecond))
	first := g.dial()
	first.send(get("/1"))
	up := e.accept()
	up.head()
	g.apply(routed(e.addr, "host_rewrite: b"))
	if res, _ := g.ask(get("/2")); res.StatusCode != 503 {
		t.Errorf("status = %d, want 503: the place of the old revision is taken", res.StatusCode)
	}
	up.send(ok(""))
	first.status(200)
	g.idle(1)
	c := g.dial()
	c.send(get("/3"))
	up.serve(ok(""))
	c.status(200)
}

// Only the named cluster has a queue.
func TestQueueIsOfOneCluster(t *testing.T) {
	e := listen(t)
	g := start(t, strings.ReplaceAll(to(e.addr), "app", "other"), queued(1, 0))
	for range 3 {
		g.dial().send(get("/"))
		e.accept().head()
	}
}

// A tunnel is in the app for as long as it lasts.
func TestQueueHoldsTunnels(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr), queued(1, patience))
	c, next := g.dial(), g.dial()
	c.send(upgrade)
	up := e.accept()
	up.head()
	up.send(switched)
	c.expect(answered)
	next.send(get("/"))
	next.silent()
	e.unused()
	c.Close()
	up.Close()
	e.accept().serve(ok(""))
	next.status(200)
}

// However the versions meet, with or without a goroutine, no more than the limit are inside, and nobody is lost.
func TestQueueInEachVersion(t *testing.T) {
	const limit, clients = 2, 12
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			name := map[bool]string{false: "h1", true: "h2"}
			t.Run(name[down2]+" to "+name[up2], func(t *testing.T) {
				inside := make(chan struct{}, limit)
				app := versionBackend(t, up2, func(w http.ResponseWriter, r *http.Request) {
					select {
					case inside <- struct{}{}:
					default:
						t.Error("one more than the limit is inside")
						return
					}
					_, _ = io.Copy(io.Discard, r.Body)
					<-inside
					_, _ = io.WriteString(w, "served")
				})
				protocol := map[bool]string{false: "http1", true: "http2"}[up2]
				g := start(t, clustered("", "protocol: "+protocol, app), queued(limit, patience))
				c := versionClient(t, down2)
				done := make(chan error)
				for range clients {
					go func() {
						var err error
						for range 20 {
							var res *http.Response
							if res, err = c.Post("http://"+g.addr, "text/plain", strings.NewReader("x")); err != nil {
								break
							}
							if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 {
								t.Errorf("answer = %d %q", res.StatusCode, b)
							}
							res.Body.Close()
						}
						done <- err
					}()
				}
				for range clients {
					if err := <-done; err != nil {
						t.Error(err)
					}
				}
				g.overflows(0)
			})
		}
	}
}
