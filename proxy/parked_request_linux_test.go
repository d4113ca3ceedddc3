package proxy_test

import (
	"bufio"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// parkedRequest is a gateway with one request, whose response is waited for without a goroutine.
func parkedRequest(t *testing.T, document string, e *endpoint, options ...func(*proxy.Options)) (
	g *gateway, client, up *wire,
) {
	t.Helper()
	g = start(t, document, options...)
	client = g.dial()
	client.send(get("/"))
	up = e.accept()
	up.head()
	g.parked(2)
	return g, client, up
}

func TestParkedRequestIsAnswered(t *testing.T) {
	e := listen(t)
	g, c, up := parkedRequest(t, to(e.addr), e)
	for i := range 3 { // over the same two connections
		body := fmt.Sprint("response ", i)
		up.send(ok(body))
		if _, got := c.response("GET"); got != body {
			t.Errorf("body = %q, want %q", got, body)
		}
		g.parked(1) // the client's, idle
		c.send(get("/"))
		up.head()
		g.parked(2)
	}
	up.send("HTTP/1.1 103 Early Hints\r\n\r\n")
	c.expect("HTTP/1.1 103 Early Hints\r\n\r\n")
	g.parked(2) // once more
	up.send(ok("last"))
	c.status(200)
	c.Close()
	g.freed()
}

// A client that sends its next request meanwhile is served both, in order. The first one has a goroutine again, since
// it would be resumed at once.
func TestParkedRequestWithAPipeline(t *testing.T) {
	e := listen(t)
	g, c, up := parkedRequest(t, to(e.addr), e)
	c.send(get("/second"))
	g.parked(0)
	c.silent()
	up.send(ok("first"))
	if _, body := c.response("GET"); body != "first" {
		t.Errorf("body = %q, want first", body)
	}
	up.head()
	up.send(ok("second"))
	if _, body := c.response("GET"); body != "second" {
		t.Errorf("body = %q, want second", body)
	}
}

// What ends a request that waits in a goroutine ends one without.
func TestParkedRequestEnds(t *testing.T) {
	together(t)
	for _, tt := range []struct {
		name   string
		end    func(c, up *wire)
		status int // 0: none
		flag   telemetry.Flag
	}{
		{"client reset", func(c, up *wire) { c.reset(); up.ended() }, 0, telemetry.DC},
		{"client half-closed", func(c, up *wire) { c.finish(); up.ended(); c.ended() }, 0, telemetry.DC},
		{"endpoint closed", func(_, up *wire) { up.Close() }, 502, telemetry.UC},
		{"endpoint reset", func(_, up *wire) { up.reset() }, 502, telemetry.UC},
		{"malformed response", func(_, up *wire) { up.send("nonsense\r\n\r\n") }, 502, telemetry.UPE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g, c, up := parkedRequest(t, to(e.addr), e)
			tt.end(c, up)
			if tt.status > 0 {
				c.status(tt.status)
			}
			g.counted(tt.flag, 1)
			c.Close()
			g.freed()
		})
	}
}

// A client that resets is heard of at once, not at a poll: also under TLS.
func TestParkedRequestUnderTLS(t *testing.T) {
	e := listen(t)
	g, config := secure(t, e.addr, "", newLog(t))
	for _, gone := range []bool{false, true} {
		c := g.tlsDial(config)
		if _, err := c.Write([]byte(get("/"))); err != nil {
			t.Fatal(err)
		}
		up := e.accept()
		up.head()
		g.parked(2)
		if gone {
			c.NetConn().Close()
			up.ended()
			g.counted(telemetry.DC, 1)
			continue
		}
		up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
		if res, _ := parse(t, bufio.NewReader(c), "GET"); res.StatusCode != 200 {
			t.Errorf("status %d, want 200", res.StatusCode)
		}
		c.Close()
		g.freed()
	}
}

// The end of its time is the same as with a goroutine.
func TestParkedRequestTimesOut(t *testing.T) {
	for limit := 2200 * time.Millisecond; !requestTimesOut(t, limit); limit *= 2 {
		t.Logf("%v was over before the request was seen parked", limit)
	}
}

// requestTimesOut tells whether the request was seen parked.
func requestTimesOut(t *testing.T, limit time.Duration) bool {
	t.Helper()
	e := listen(t)
	g := start(t, routed(e.addr, fmt.Sprintf("timeouts: {upstream: %v}", limit)))
	c := g.dial()
	begun := time.Now()
	c.send(get("/"))
	up := e.accept()
	up.head()
	parked := g.parkedBefore(2, func() bool { return g.faults(telemetry.UT) > 0 })
	c.status(504)
	if took := time.Since(begun); took < limit {
		t.Errorf("timed out after %v, want %v", took, limit)
	}
	g.counted(telemetry.UT, 1)
	return parked
}

// Where the time that is left is short, the goroutine stays: it would come too late.
func TestShortWaitIsNotParked(t *testing.T) {
	e := listen(t)
	g := start(t, routed(e.addr, "timeouts: {upstream: 1s}"))
	c := g.dial()
	c.send(get("/"))
	e.accept().head()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; n != 1; { // the client's, idle, behind the response
			if n = g.sweeper.Parked(); n > 1 {
				t.Error("parked")
			}
			pass(time.Millisecond)
		}
	}()
	c.status(504)
	<-done
}

// A request that was parked is retried, and parked again.
func TestParkedRequestIsRetried(t *testing.T) {
	e := listen(t)
	g, c, up := parkedRequest(t, routed(e.addr, "retries: {attempts: 3, on: [\"503\", reset]}"), e)
	up.reset()
	up = e.accept()
	up.head()
	g.parked(2)
	up.send(unavailable)
	up = e.accept()
	up.head()
	g.parked(2)
	up.send(ok("third"))
	if _, body := c.response("GET"); body != "third" {
		t.Errorf("body = %q, want third", body)
	}
}

// A drain lets it be answered; the end of its patience ends it.
func TestParkedRequestAndDrain(t *testing.T) {
	for _, patient := range []bool{true, false} {
		e := listen(t)
		g, c, up := parkedRequest(t, to(e.addr), e)
		if !patient {
			if cut := g.drain(short); cut != 1 {
				t.Errorf("%d connections cut, want 1", cut)
			}
			c.ended()
			up.ended()
			continue
		}
		cut := g.draining(patience)
		idle := g.dial() // refused, or ended with the first look of the drain
		idle.ended()
		up.send(ok("late"))
		if res := c.status(200); !res.Close {
			t.Error("the response does not say that the connection closes")
		}
		c.Close()
		if n := result(t, cut); n != 0 {
			t.Errorf("%d connections cut, want none", n)
		}
	}
}

// angry is a logger that panics when it is told of an endpoint.
type angry struct{ hclog.Logger }

func (angry) Warn(string, ...any) { panic("a bug of ours") }

// A panic behind the wait ends that request alone.
func TestParkedRequestPanics(t *testing.T) {
	e := listen(t)
	g, c, up := parkedRequest(t, clustered("", "limits: {max_connections: 1, max_pending: 0}", e.addr), e,
		func(o *proxy.Options) { o.Logger = angry{o.Logger} })
	up.send("nonsense\r\n\r\n")
	c.broken()
	if n := g.registry.Panics.Count(telemetry.L7); n != 1 {
		t.Errorf("%d panics were survived, want 1", n)
	}
	c = g.dial()
	c.send(get("/"))
	e.accept().serve(ok("good"))
	c.status(200)
}

// Streams of HTTP/2 wait the same way, each for itself.
func TestParkedStreams(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial2()
	ups := map[uint32]*wire{}
	for _, id := range []uint32{1, 3, 5, 7} {
		c.Ask(id, true, "GET", "/")
		ups[id] = e.accept()
		ups[id].head()
	}
	g.parked(len(ups))
	ups[5].send(ok("five"))
	c.Answer(5, "200")
	c.Text(5, "five")
	c.Must(c.WriteRSTStream(1, http2.ErrCodeCancel))
	ups[1].ended()
	g.counted(telemetry.DC, 1)
	ups[3].Close()
	c.Answer(3, "502")
	c.w.reset()
	ups[7].ended()
	g.counted(telemetry.DC, 2)
	g.freed()
}

// TestParkedRequestsRace has the endpoint answer at the moment at which the client leaves, or the request is parked.
func TestParkedRequestsRace(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	for i := range 60 {
		c := g.dial()
		c.send(get("/"))
		up := e.accept()
		up.head()
		pass(time.Duration(20+i%8*5) * time.Millisecond)
		done := make(chan struct{})
		go func() { defer close(done); _, _ = up.Write([]byte(ok("now"))) }()
		if i%2 == 0 {
			c.reset()
		} else if _, body := c.response("GET"); body != "now" {
			t.Errorf("body = %q, want now", body)
		}
		<-done
		c.Close()
		up.Close()
	}
	g.freed()
}
