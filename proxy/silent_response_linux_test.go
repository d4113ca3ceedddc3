package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// events is the head of a response that has no length.
const events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

// event is a piece of its body.
func event(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }

// silentResponse is a gateway with one response that has begun, and whose endpoint is waited for without a goroutine.
func silentResponse(t *testing.T, document string, e *endpoint) (g *gateway, client, up *wire) {
	t.Helper()
	g = start(t, document)
	client = g.dial()
	client.send(get("/"))
	up = e.accept()
	up.head()
	up.send(events + event("first"))
	client.expect(events + event("first"))
	g.parked(2)
	return g, client, up
}

func TestSilentResponse(t *testing.T) {
	together(t)
	for name, test := range map[string]func(*testing.T){
		"goes on": silentGoesOn, "ends": silentEnds, "client sends": silentAndClientSends,
		"times out": silentTimesOut, "drain": silentAndDrain, "streams": silentStreams,
		"TLS": silentUnderTLS, "endpoint under TLS": silentEndpointUnderTLS, "uploading": silentWhileUploading,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// Each piece that comes wakes it, however long the pause was.
func silentGoesOn(t *testing.T) {
	e := listen(t)
	g, c, up := silentResponse(t, to(e.addr), e)
	for i := range 2 {
		text := fmt.Sprint("event ", i)
		up.send(event(text))
		c.expect(event(text))
		g.parked(2)
	}
	up.send("8\r\nhalf") // of a chunk
	c.expect("4\r\nhalf\r\n")
	g.parked(2)
	up.send("more\r\n")
	c.expect("4\r\nmore\r\n")
	up.send("0\r\nX-Sum: 3\r\n\r\n")
	c.expect("0\r\nX-Sum: 3\r\n\r\n")
	c.send(get("/"))
	up.head()
	up.send(ok("again"))
	if _, body := c.response("GET"); body != "again" {
		t.Errorf("body = %q, want again", body)
	}
	c.Close()
	g.freed()
}

// What ends a response that is waited for in a goroutine ends one without.
func silentEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(c, up *wire)
		flag telemetry.Flag
	}{
		{"client reset", func(c, up *wire) { c.reset(); up.ended() }, telemetry.DC},
		{"endpoint closed", func(c, up *wire) { up.Close(); c.broken() }, telemetry.UC},
		{"endpoint reset", func(c, up *wire) { up.reset(); c.broken() }, telemetry.UC},
		{"malformed chunk", func(c, up *wire) { up.send("nonsense\r\n"); c.broken(); up.ended() }, telemetry.UPE},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g, c, up := silentResponse(t, to(e.addr), e)
			tt.end(c, up)
			g.counted(tt.flag, 1)
			c.Close()
			g.freed()
		})
	}
}

// A client that ends its side, or sends its next request, has the rest, although that wakes the wait each time.
func silentAndClientSends(t *testing.T) {
	for _, half := range []bool{false, true} {
		t.Run(fmt.Sprint("half-closed: ", half), func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			_, c, up := silentResponse(t, to(e.addr), e)
			if half {
				c.finish()
			} else {
				c.send(get("/second"))
			}
			c.silent()
			up.send(event("second") + "0\r\n\r\n")
			c.expect(event("second") + "0\r\n\r\n")
			if half {
				c.ended()
				return
			}
			up.head()
			up.send(ok("second"))
			if _, body := c.response("GET"); body != "second" {
				t.Errorf("body = %q, want second", body)
			}
		})
	}
}

// Its time is the same as with a goroutine. That is the time of the whole request, and that of a silence in the
// response, which begins with the last piece.
func silentTimesOut(t *testing.T) {
	for _, tt := range []struct {
		timeouts string
		flag     telemetry.Flag
	}{
		{"request: %v", telemetry.DT},
		{"response_idle: %v", telemetry.SI},
	} {
		t.Run(tt.timeouts, func(t *testing.T) {
			t.Parallel()
			for limit := 4 * time.Second; ; limit *= 2 {
				why := silentResponseTimesOut(t, fmt.Sprintf("timeouts: {"+tt.timeouts+"}", limit), limit)
				if why == "" {
					return
				}
				if limit > 20*time.Second {
					t.Fatalf("%v: %s", limit, why)
				}
			}
		})
	}
}

// silentResponseTimesOut tells what went wrong that a busy machine explains, if it was no longer time.
func silentResponseTimesOut(t *testing.T, route string, limit time.Duration) string {
	t.Helper()
	e := listen(t)
	g := start(t, routed(e.addr, route))
	c := g.dial()
	begun := time.Now()
	c.send(get("/"))
	up := e.accept()
	up.head()
	up.send(events + event("first"))
	c.expect(events + event("first"))
	parked := g.parkedBefore(2, func() bool { return g.Clusters["app"].InFlight() == 0 })
	c.broken()
	up.ended()
	switch took := time.Since(begun); {
	case took < limit:
		t.Errorf("timed out after %v, want %v", took, limit)
	case took > limit*5/4:
		return fmt.Sprintf("timed out only after %v", took)
	case !parked:
		return "was over before the response was seen parked"
	}
	return ""
}

// A drain lets it end; the end of its patience cuts it.
func silentAndDrain(t *testing.T) {
	for _, patient := range []bool{true, false} {
		e := listen(t)
		g, c, up := silentResponse(t, to(e.addr), e)
		if !patient {
			if cut := g.drain(short); cut != 1 {
				t.Errorf("%d connections cut, want 1", cut)
			}
			c.broken()
			up.ended()
			continue
		}
		cut := g.draining(patience)
		idle := g.dial() // refused, or ended with the first look of the drain
		idle.ended()
		up.send(event("last") + "0\r\n\r\n")
		c.expect(event("last") + "0\r\n\r\n")
		c.ended()
		if n := result(t, cut); n != 0 {
			t.Errorf("%d connections cut, want none", n)
		}
	}
}

// Streams of HTTP/2 wait the same way, each for itself.
func silentStreams(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial2()
	ups := map[uint32]*wire{}
	for _, id := range []uint32{1, 3, 5} {
		c.Ask(id, true, "GET", "/")
		ups[id] = e.accept()
		ups[id].head()
		ups[id].send(events + event("first"))
		c.Answer(id, "200")
		c.Text(id, "first")
	}
	g.parked(len(ups))
	c.Must(c.WriteRSTStream(1, http2.ErrCodeCancel))
	ups[1].ended()
	g.counted(telemetry.DC, 1)
	c.w.reset()
	ups[3].ended()
	ups[5].ended()
	g.counted(telemetry.DC, 3)
	g.freed()
}

// Over TLS on both sides a piece that comes after a pause is passed on whole.
func silentUnderTLS(t *testing.T) {
	e := listen(t)
	g, config := secure(t, e.addr, "", newLog(t))
	c := g.tlsDial(config)
	if _, err := io.WriteString(c, get("/")); err != nil {
		t.Fatal(err)
	}
	up := e.accept()
	up.head()
	up.send(events + event("first"))
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	g.parked(2)
	up.send(event("second"))
	got := make([]byte, len("firstsecond"))
	if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != "firstsecond" {
		t.Errorf("body %q, %v", got, err)
	}
	g.parked(2)
	if err := c.NetConn().(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.NetConn().Close()
	up.ended()
	g.counted(telemetry.DC, 1)
}

// From an endpoint under TLS, which cannot be parked, a piece that comes after a pause is passed on in one.
func silentEndpointUnderTLS(t *testing.T) {
	ca := testcert.NewCA(t, "root")
	next := make(chan struct{})
	app := tlsBackend(t, ca, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for _, text := range []string{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst", "second"} {
			if _, err := io.WriteString(c, text); err != nil {
				t.Error(err)
			}
			<-next
		}
	})
	g := start(t, clustered("", "tls: {mode: tls, ca_file: "+ca.Write(t, t.TempDir(), "ca")+"}", app))
	c := g.dial()
	c.send(get("/"))
	c.head()
	c.expect(event("first"))
	pass(1700 * time.Millisecond) // by then the gateway has given its memory up
	next <- struct{}{}
	c.expect(event("second"))
	next <- struct{}{}
	c.expect("0\r\n\r\n")
}

// While the rest of the request is waited for too, there are goroutines: one reads from the client.
func silentWhileUploading(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf")
	up := e.accept()
	up.head()
	up.expect("half")
	up.send(events + event("first"))
	c.head()
	c.expect(event("first"))
	pass(1700 * time.Millisecond) // longer than until others are parked
	if n := g.sweeper.Parked(); n != 0 {
		t.Errorf("%d connections are parked, want none", n)
	}
	c.send("more")
	up.expect("more")
	up.send("0\r\n\r\n")
	c.expect("0\r\n\r\n")
}
