package proxy_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// serve answers one request on an endpoint's connection.
func (w *wire) serve(answer string) (head string) {
	w.t.Helper()
	head = w.head()
	w.send(answer)
	return head
}

// warm makes as many idle connections to the endpoint as there are wires in the result, the last one used last.
func warm(g *gateway, e *endpoint, n int) (ups []*wire) {
	g.t.Helper()
	var clients []*wire
	for range n {
		c := g.dial()
		c.send(get("/warm"))
		clients = append(clients, c)
		ups = append(ups, e.accept())
	}
	for i, up := range ups {
		up.serve(ok(""))
		clients[i].status(200)
		g.idle(i + 1)
	}
	return ups
}

// idle waits until n connections from clients are between requests: their upstream connections are back in the pool.
func (g *gateway) idle(n int) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "requests to be over",
		func() bool { return g.registry.Route("all").Requests() >= int64(n) })
}

func TestMostRecentlyUsedConnectionIsTakenFirst(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	ups := warm(g, e, 3)
	c := g.dial()
	for range 3 {
		c.send(get("/"))
		ups[2].serve(ok(""))
		c.status(200)
	}
	ups[0].silent()
	ups[1].silent()
	e.unused()
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "keepalive: {max_idle: 2}", e.addr))
	ups := warm(g, e, 3)
	ups[0].ended() // the oldest
	ups[1].silent()
	ups[2].silent()
}

func TestNoIdleConnectionIsKept(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "keepalive: {max_idle: 0}", e.addr))
	warm(g, e, 1)[0].ended()
}

func TestKeepAliveOfTheEndpointIsObeyed(t *testing.T) {
	for _, tt := range []struct {
		field string
		kept  bool
	}{
		{"", true},
		{"Keep-Alive: timeout=1\r\n", false}, // a second less than it says is nothing
		{"Keep-Alive: max=5, TIMEOUT=60\r\n", true},
		{"Keep-Alive: timeout=x\r\n", true},
		{"Connection: close\r\n", false},
		{"Connection: x\r\nConnection: Close\r\n", false},
	} {
		t.Run(tt.field, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(get("/"))
			up := e.accept()
			up.serve("HTTP/1.1 200 OK\r\n" + tt.field + "Content-Length: 0\r\n\r\n")
			c.status(200)
			if !tt.kept {
				up.ended()
				return
			}
			c.send(get("/"))
			up.serve(ok(""))
			c.status(200)
		})
	}
}

// What an endpoint sends behind an answer that has no body is never taken for the answer to the next request, which
// may be anybody's.
func TestBytesThatNobodyAskedFor(t *testing.T) {
	for _, tt := range []struct{ name, request, answer string }{
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n"},
		{"204", get("/"), "HTTP/1.1 204 No Content\r\n\r\n"},
		{"304", get("/"), "HTTP/1.1 304 Not Modified\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(tt.request)
			up := e.accept()
			up.serve(tt.answer)
			c.response(method(tt.request))
			g.idle(1)
			up.send(ok("poison"))
			c.send(get("/next"))
			next := e.accept()
			next.serve(ok("fine"))
			if _, body := c.response("GET"); body != "fine" {
				t.Errorf("body = %q, want the answer to the request", body)
			}
		})
	}
}

// The usual race of keep-alive: the endpoint closes just when we send. A request that may be sent twice is; nobody
// notices.
func TestStaleConnectionIsReplacedOnce(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		end           func(w *wire)
	}{
		{"GET, closed", get("/"), (*wire).finish},
		{"GET, reset", get("/"), (*wire).reset},
		{"HEAD", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", (*wire).finish},
		{"DELETE", "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", (*wire).finish},
		{"PUT with its whole body at hand", "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", (*wire).finish},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			stale := warm(g, e, 1)[0]
			c := g.dial()
			c.send(tt.request)
			stale.head() // it is there, and the endpoint closes nevertheless
			tt.end(stale)
			up := e.accept()
			up.serve(ok(""))
			res, _ := c.response(method(tt.request))
			if res.StatusCode != 200 {
				t.Errorf("status = %d, want 200", res.StatusCode)
			}
			if n := g.registry.Cluster("app").Retries.Load(); n != 0 {
				t.Errorf("retries = %d, want 0: it is no retry of the route's", n)
			}
		})
	}
}

func TestFreshConnectionIsNotReplaced(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	warm(g, e, 1)[0].reset()
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.head()
	up.finish()
	c.status(502)
	if n := g.faults(telemetry.UC); n != 1 {
		t.Errorf("faults UC = %d, want 1", n)
	}
	e.unused()
}

// Sending a POST twice could do something twice. Once it was sent there is no second time, whatever became of it.
func TestPostIsNeverSentTwice(t *testing.T) {
	for _, m := range []string{"POST", "PATCH", "BREW"} {
		t.Run(m, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			stale := warm(g, e, 1)[0]
			c := g.dial()
			c.send(m + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
			stale.head()
			stale.finish()
			c.status(502)
			e.unused()
			if n := g.faults(telemetry.UC); n != 1 {
				t.Errorf("faults UC = %d, want 1", n)
			}
		})
	}
}

// The part of a body that has passed is gone, unless the route wants it held. A request that is still coming in cannot
// be sent again.
func TestUploadIsNeverSentTwice(t *testing.T) {
	for _, whole := range []bool{false, true} {
		e := listen(t)
		g := start(t, routed(e.addr, "retries: {attempts: 3, on: [connect-failure]}"))
		c := g.dial()
		c.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
		up := e.accept()
		up.head()
		up.expect("ab")
		if whole {
			c.send("cd")
			up.expect("cd")
		}
		up.reset()
		c.status(502)
		e.unused()
	}
}

// A POST on a connection that is closed already must not be lost on it: that can be seen before.
func TestPostDoesNotTakeAClosedConnection(t *testing.T) {
	for name, end := range map[string]func(w *wire){"closed": (*wire).finish, "reset": (*wire).reset,
		"with something to say": func(w *wire) { w.send("HTTP/1.1 408 x\r\n\r\n") }} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			stale := warm(g, e, 1)[0]
			end(stale)
			// Loopback delivers at once: what the endpoint did is known to the kernel when its call returns.
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi")
			up := e.accept()
			up.head()
			up.expect("hi")
			up.send(ok(""))
			c.status(200)
		})
	}
}

func TestIdleConnectionIsClosedInTime(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "keepalive: {idle_timeout: 1s}", e.addr))
	begun := time.Now()
	up := warm(g, e, 1)[0]
	g.set.Tick()
	for {
		_ = up.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := up.r.ReadByte(); err != nil && !isTimeout(err) {
			break
		}
		g.set.Tick()
		if time.Since(begun) > patience {
			t.Fatal("the idle connection is still open")
		}
	}
	if d := time.Since(begun); d < 800*time.Millisecond {
		t.Errorf("closed after %v, want a second", d)
	}
}

// Endpoint state, and the idle connections with it, outlives a revision.
func TestPoolSurvivesARevision(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	up := warm(g, e, 1)[0]
	for range 3 {
		g.apply(routed(e.addr, "timeouts: {upstream: 3s}"))
	}
	c := g.dial()
	c.send(get("/"))
	up.serve(ok(""))
	c.status(200)
	e.unused()
	g.apply("routes: []\nclusters: []\n")
	up.ended()
}

func TestConnectionAfterAnAnswerFromOldHTTP(t *testing.T) {
	var codes []int
	for _, head := range []string{"HTTP/1.0 200 OK\r\n", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n"} {
		e := listen(t)
		g := start(t, to(e.addr))
		c := g.dial()
		c.send(get("/"))
		up := e.accept()
		up.serve(head + "Content-Length: 2\r\n\r\nhi")
		c.status(200)
		c.send(get("/"))
		if field(head, "Connection") == "" {
			up.ended()
			up = e.accept()
		}
		up.serve("HTTP/1.0 404 No\r\nContent-Length: 0\r\n\r\n")
		res, _ := c.response("GET")
		codes = append(codes, res.StatusCode)
	}
	if !slices.Equal(codes, []int{http.StatusNotFound, http.StatusNotFound}) {
		t.Errorf("statuses = %v", codes)
	}
}

// The endpoint may answer in the same moment in which the last byte of the request leaves: both connections are as
// good as before.
func TestUploadKeepsTheConnection(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	var up *wire
	for i := range 500 {
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
		if i == 0 {
			up = e.accept()
		}
		up.head()
		up.expect("ab")
		c.send("cd")
		up.expect("cd")
		up.send(ok(""))
		c.status(200)
	}
	e.unused()
}

// A path that has gone silent without FIN or RST costs one request. The idle connections that were not used since go
// with the one that was silent, or each would cost a request of its own.
func TestIdleConnectionsOfASilentPath(t *testing.T) {
	for name, row := range map[string]struct {
		timeout string
		lose    func(c *wire)
	}{
		"until our timeout":                {"200ms", func(c *wire) { c.status(504) }},
		"until the client has no patience": {"1m", func(c *wire) { <-time.After(1100 * time.Millisecond); c.reset() }},
	} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			g := start(t, routed(e.addr, "timeouts: {upstream: "+row.timeout+"}"))
			ups := warm(g, e, 4)
			c := g.dial()
			c.send(get("/lost"))
			ups[3].head()
			row.lose(c)
			for _, up := range ups {
				up.ended()
			}
			c = g.dial()
			c.send(get("/next"))
			e.accept().serve(ok(""))
			c.status(200)
		})
	}
}

// A connection that was silent from the start says nothing of those that are idle: its request takes too long.
func TestIdleConnectionsBesideASlowRequest(t *testing.T) {
	e := listen(t)
	g := start(t, routed(e.addr, "timeouts: {upstream: 200ms}"))
	up := warm(g, e, 1)[0]
	busy, slow := g.dial(), g.dial()
	busy.send(get("/busy"))
	up.head()
	slow.send(get("/slow"))
	e.accept().head()
	up.send(ok(""))
	busy.status(200)
	slow.status(504)
	busy.send(get("/again"))
	up.serve(ok(""))
	busy.status(200)
}
