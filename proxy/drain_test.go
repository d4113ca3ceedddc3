package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// draining begins the drain and returns what tells how many connections it cut.
func (g *gateway) draining(patience time.Duration) <-chan int {
	cut := make(chan int, 1)
	go func() { cut <- g.drain(patience) }()
	return cut
}

// result waits for the end of a drain.
func result(t *testing.T, cut <-chan int) int {
	t.Helper()
	select {
	case n := <-cut:
		return n
	case <-time.After(patience):
		t.Fatal("the drain does not end")
		return 0
	}
}

func TestDrainEndsIdleConnectionsAtOnce(t *testing.T) {
	g := start(t, to(echo(t)))
	fresh, used := g.dial(), g.dial()
	used.send(get("/"))
	used.status(200)
	cut := g.draining(ample)
	used.ended()
	fresh.ended()
	if n := result(t, cut); n != 0 {
		t.Errorf("%d connections were cut", n)
	}
}

func TestDrainLetsRequestsFinish(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	waiting, streaming, uploading := g.dial(), g.dial(), g.dial()
	waiting.send(get("/"))
	up1 := e.accept()
	up1.head()
	streaming.send(get("/"))
	up2 := e.accept()
	up2.serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	streaming.head()
	uploading.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
	up3 := e.accept()
	up3.head()
	idle := g.dial()
	cut := g.draining(ample)
	idle.ended() // the drain has begun
	if c, err := net.Dial("tcp", g.addr); err == nil {
		c.Close()
		t.Error("a draining gateway accepts connections")
	}
	up1.send(ok("late"))
	if res, body := waiting.response("GET"); body != "late" || !res.Close {
		t.Errorf("answer = %q, close %v, want a closed connection", body, res.Close)
	}
	waiting.finish()
	waiting.ended()
	up2.send("1\r\nx\r\n0\r\n\r\n")
	streaming.expect("1\r\nx\r\n0\r\n\r\n")
	streaming.finish()
	streaming.ended()
	uploading.send("cd")
	up3.expect("abcd")
	up3.send(ok(""))
	if res := uploading.status(200); !res.Close {
		t.Error("the answer does not say Connection: close")
	}
	uploading.finish()
	uploading.ended()
	if n := result(t, cut); n != 0 {
		t.Errorf("%d connections were cut, want 0", n)
	}
}

// Pipelined requests behind the one in flight are not answered: the client was told that the connection ends. A
// client whose answer had begun when the end was decided does not know of it, and gets another answer, with which it
// hears.
func TestDrainTellsWhoDoesNotKnow(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.serve("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha")
	if head := c.head(); strings.Contains(head, "Connection: close") {
		t.Fatalf("the answer says already: %s", head)
	}
	g.server.Leave()
	up.send("lf")
	c.expect("half")
	c.send(get("/next"))
	up.serve(ok("last"))
	if res, body := c.response("GET"); body != "last" || !res.Close {
		t.Errorf("answer %q, close %v; want the last one, which says so", body, res.Close)
	}
}

func TestDrainEndsAPipeline(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/a") + get("/b"))
	up := e.accept()
	up.head()
	idle := g.dial()
	cut := g.draining(ample)
	idle.ended()
	up.send(ok("a"))
	if res, _ := c.response("GET"); !res.Close {
		t.Error("the answer does not say Connection: close")
	}
	c.finish()
	c.ended()
	result(t, cut)
}

// At the end of its patience the drain cuts what is left, whatever it waits for.
func TestDrainCutsAtTheEnd(t *testing.T) {
	together(t)
	for _, tt := range []struct {
		name  string
		line  string // status and flag; empty: nothing is logged
		begin func(c *wire, e *endpoint)
	}{
		{"a head", "", func(c *wire, e *endpoint) {
			c.send("GET / HT")
			pass(short) // nothing tells that it has been read
		}},
		{"an answer", "503 LR", func(c *wire, e *endpoint) { c.send(get("/")); e.accept().head() }},
		{"the rest of an answer", "200 LR", func(c *wire, e *endpoint) {
			c.send(get("/"))
			e.accept().serve("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
			c.head()
		}},
		{"the rest of a request", "503 LR", func(c *wire, e *endpoint) {
			c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
			e.accept().head()
		}},
		{"a tunnel", "101 ", func(c *wire, e *endpoint) {
			c.send(upgrade)
			up := e.accept()
			up.head()
			up.send(switched)
			c.expect(answered)
		}},
		{"a half-closed tunnel", "101 ", func(c *wire, e *endpoint) {
			c.send(upgrade)
			up := e.accept()
			up.head()
			up.send(switched)
			c.expect(answered)
			c.finish()
			up.rest()
		}},
		{"a client that reads nothing", "200 LR", func(c *wire, e *endpoint) {
			c.send(get("/"))
			up := e.accept()
			up.head()
			go func() { // ends when the gateway does
				_, _ = up.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"))
				_, _ = up.Write(make([]byte, 100_000_000))
			}()
			c.head()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			log := newLog(t)
			g := start(t, to(e.addr), log.use)
			c := g.dial()
			tt.begin(c, e)
			begun := time.Now()
			if n := result(t, g.draining(short)); n != 1 {
				t.Errorf("%d connections were cut, want 1", n)
			}
			if d := time.Since(begun); d < short {
				t.Errorf("the drain took %v", d)
			}
			_ = rawRest(c)
			if tt.line == "" {
				if n := log.count(); n != 0 {
					t.Errorf("%d lines were logged, want none", n)
				}
				return
			}
			line := log.lines(1)[0]
			if got := fmt.Sprint(line["status"], " ", line["flag"]); got != tt.line {
				t.Errorf("logged %q, want %q", got, tt.line)
			}
		})
	}
}

// The same over HTTP/2. A caller of gRPC sees its connection end, of which clients make UNAVAILABLE.
func TestDrainCutsStreamsAtTheEnd(t *testing.T) {
	together(t)
	for way, route := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			log := newLog(t)
			g, down, up := relayingWithin(t, "", route, nil, nil, log.use)
			down.Ask(3, true, "POST", "/x.Y/Talk", "content-type", "application/grpc")
			up.Head(up.Any().StreamID, false, ":status", "200", "content-type", "application/grpc")
			down.Answer(3, "200")
			down.Ask(5, true, "GET", "/waits")
			up.Any()
			if n := result(t, g.draining(short)); n != 1 {
				t.Errorf("%d connections were cut, want 1", n)
			}
			for path, want := range map[string]string{"/x.Y/Talk": "200 14 LR", "/waits": "503 <nil> LR"} {
				line := log.lineOf(3, "path", path)
				if got := fmt.Sprint(line["status"], " ", line["grpc_status"], " ", line["flag"]); got != want {
					t.Errorf("%s logged as %q, want %q", path, got, want)
				}
			}
		})
	}
}
