package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestClientThatResetsCancelsTheUpstream(t *testing.T) {
	together(t)
	for _, tt := range []struct{ name, answer string }{
		{"before the answer", ""},
		{"inside an answer that is silent", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(get("/"))
			up := e.accept()
			up.serve(tt.answer)
			if tt.answer != "" {
				c.head()
			}
			c.reset()
			up.ended()
			g.counted(telemetry.DC, 1)
		})
	}
}

func TestClientThatEndsInsideARequestCancelsTheUpstream(t *testing.T) {
	for name, request := range map[string]string{
		"sized":   "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello",
		"chunked": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(request)
			up := e.accept()
			up.head()
			begun := time.Now()
			c.finish()
			if got := rawRest(up); strings.Contains(got, "0\r\n\r\n") {
				t.Errorf("the endpoint got %q, which looks whole", got)
			}
			if d := time.Since(begun); d > 900*time.Millisecond { // a half-closed client has a second
				t.Errorf("it took %v, want at once", d)
			}
			g.counted(telemetry.DC, 1)
			c.ended()
		})
	}
}

// rawRest reads until the connection ends in whatever way.
func rawRest(w *wire) string {
	var b strings.Builder
	_, _ = w.r.WriteTo(&b)
	return b.String()
}

// Some clients end their side when they have asked. They get an answer that begins soon.
func TestHalfClosedClientGetsItsAnswer(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.head()
	c.finish()
	pass(300 * time.Millisecond)
	up.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
	c.head()
	pass(time.Second) // once it has begun, the answer may take its time
	up.send("0\r\n\r\n")
	if body := c.rest(); body != "1\r\nx\r\n0\r\n\r\n" {
		t.Errorf("body = %q", body)
	}
}

// But not for ever: it may just as well be gone.
func TestHalfClosedClientIsGivenUp(t *testing.T) {
	log := newLog(t)
	e := listen(t)
	g := start(t, to(e.addr), log.use)
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.head()
	begun := time.Now()
	c.finish()
	up.ended()
	if d := time.Since(begun); d < time.Second {
		t.Errorf("cancelled after %v, want a second", d)
	}
	c.ended()
	g.counted(telemetry.DC, 1)
	if line := log.lines(1)[0]; line["status"] != 499.0 || line["flag"] != "DC" {
		t.Errorf("logged status %v, flag %v, want 499 DC", line["status"], line["flag"])
	}
}

// A retry is no reason to give up on it, and does not give it more time.
func TestHalfClosedClientIsRetriedFor(t *testing.T) {
	together(t)
	for _, tt := range []struct{ name, answer string }{{"answered", ok("second")}, {"given up", ""}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g := start(t, routed(e.addr, "retries: {attempts: 3, on: [\"503\", timeout], per_try_timeout: 700ms}"))
			c := g.dial()
			c.send(get("/"))
			up := e.accept()
			up.head()
			begun := time.Now()
			c.finish()
			up.send(unavailable)
			e.accept().serve(tt.answer)
			if tt.answer != "" {
				if _, body := c.response("GET"); body != "second" {
					t.Errorf("body = %q", body)
				}
				return
			}
			e.accept().head() // the third try
			c.ended()
			if d := time.Since(begun); d < time.Second {
				t.Errorf("given up after %v, want a second", d)
			}
			g.counted(telemetry.DC, 1)
		})
	}
}

// A client that goes away is not the endpoint's fault.
func TestClientGoneIsNoFailureOfTheEndpoint(t *testing.T) {
	e := listen(t)
	g := start(t, clustered("", "passive_health: {consecutive_failures: 1}", e.addr))
	for range 3 {
		c := g.dial()
		c.send(get("/"))
		e.accept().head()
		c.reset()
	}
	g.counted(telemetry.DC, 3)
	testserver.WaitFor(t, patience, "requests to end", func() bool { return g.registry.Route("all").Requests() == 3 })
	if n := g.registry.Cluster("app").Ejections.Load(); n != 0 {
		t.Errorf("ejections = %d, want 0", n)
	}
}

func TestClientGoneInsideTheHead(t *testing.T) {
	log := newLog(t)
	e := listen(t)
	g := start(t, to(e.addr), log.use)
	c := g.dial()
	c.send("GET / HTTP/1.1\r\nHo")
	c.finish()
	c.ended()
	if line := log.lines(1)[0]; line["status"] != 499.0 || line["flag"] != "DC" {
		t.Errorf("logged status %v, flag %v, want 499 DC", line["status"], line["flag"])
	}
	e.unused()
}
