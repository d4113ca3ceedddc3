package proxy_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
)

// parked waits until n connections are parked.
func (g *gateway) parked(n int) {
	g.t.Helper()
	g.settled("connections parked", n, g.sweeper.Parked)
}

func TestParkedConnectionGoesOn(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	c := g.dial()
	g.parked(1) // before its first request
	for _, path := range []string{"/a", "/b", "/c"} {
		c.send(get(path))
		if _, body := c.response("GET"); body != path {
			t.Errorf("answer to %s = %q", path, body)
		}
		g.parked(1)
	}
	c.send(get("/d") + get("/e"))
	for _, path := range []string{"/d", "/e"} {
		if _, body := c.response("GET"); body != path {
			t.Errorf("answer to %s = %q", path, body)
		}
	}
	c.finish()
	c.ended()
	g.freed()
}

// A connection that was parked before its first byte can still turn out to speak HTTP/2.
func TestParkedConnectionSpeaksHTTP2(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	c := g.dial()
	g.parked(1)
	f := testpeer.Client(t, c.r, c)
	if frame, err := f.ReadFrame(); err != nil || frame.Header().Type != http2.FrameSettings {
		t.Errorf("the first frame = %v, %v, want SETTINGS", frame, err)
	}
}

func TestParkedConnectionEnds(t *testing.T) {
	for name, leave := range map[string]func(c *wire){
		"half-close": func(c *wire) { c.finish(); c.ended() },
		"close":      func(c *wire) { c.Close() },
		"reset":      func(c *wire) { c.reset() },
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, to(backend(t, ofPath)))
			c := g.dial()
			c.send(get("/"))
			c.status(200)
			g.parked(1)
			leave(c)
			g.freed()
		})
	}
}

// parkedBefore waits until n connections are parked. False: it is over, and nobody has seen them. Whoever asks gives
// them a time, all of which a busy machine may have slept through.
func (g *gateway) parkedBefore(n int, over func() bool) bool {
	g.t.Helper()
	seen := false
	g.settled("ends of a wait", 1, func() int {
		if seen = g.sweeper.Parked() == n; seen || over() {
			return 1
		}
		return 0
	})
	return seen
}

// The idle timeout ends a parked connection in silence.
func TestParkedConnectionTimesOut(t *testing.T) {
	for idle := 300 * time.Millisecond; !idleTimesOut(t, idle); idle *= 2 {
		t.Logf("%v was over before the connection was seen parked", idle)
	}
}

// idleTimesOut tells whether the connection was seen parked.
func idleTimesOut(t *testing.T, idle time.Duration) bool {
	t.Helper()
	g := start(t, fmt.Sprintf("timeouts: {idle: %v}\n", idle)+to(backend(t, ofPath)))
	c := g.dial()
	begun := time.Now() // not after it: the gateway may be idle before the client has read the answer
	c.send(get("/"))
	c.status(200)
	parked := g.parkedBefore(1, func() bool { return g.limit.Used() == 0 })
	c.ended()
	if d := time.Since(begun); d < idle {
		t.Errorf("it ended after %v, want at least %v", d, idle)
	}
	g.freed()
	return parked
}

// A drain ends parked connections at once.
func TestParkedConnectionsDrain(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	conns := make([]*wire, 200)
	for i := range conns {
		conns[i] = g.dial()
	}
	g.parked(len(conns))
	n := g.drain(ample)
	for _, c := range conns {
		c.ended()
	}
	if n != 0 {
		t.Errorf("%d connections were cut", n)
	}
	g.freed()
}

// Many connections park and go on, over and over, with requests that come at any moment: none is lost, and those
// parked have no goroutine.
func TestParkedConnectionsChurn(t *testing.T) {
	app := backend(t, ofPath)
	g := start(t, to(app))
	var clients sync.WaitGroup
	conns := make([]*wire, 100)
	for i := range conns {
		c := g.dial()
		conns[i] = c
		clients.Go(func() {
			for round := range 6 { // around the moment at which it is parked
				pass(45*time.Millisecond + time.Duration((i*7+round*13)%40)*time.Millisecond)
				if _, err := io.WriteString(c, get("/x")); err != nil {
					t.Errorf("request %d: %v", round, err)
					return
				}
				head := make([]byte, 4096)
				n, err := c.Read(head)
				if err != nil || !strings.HasPrefix(string(head[:n]), "HTTP/1.1 200") {
					t.Errorf("answer %d: %q, %v", round, head[:n], err)
					return
				}
			}
		})
	}
	clients.Wait()
	g.parked(len(conns))
	g.settled("goroutines serve", 0, func() int { return running("proxy.(*connH1)") })
	for _, c := range conns {
		c.Close()
	}
	g.freed()
}

// running is how many goroutines have a function in their stacks.
func running(function string) int {
	b := make([]byte, 4<<20)
	n := 0
	for stack := range strings.SplitSeq(string(b[:runtime.Stack(b, true)]), "\n\n") {
		if strings.Contains(stack, function) {
			n++
		}
	}
	return n
}
