package proxy_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// short is the timeout under test; ample is one that must not matter: a test that waits for it fails.
const (
	short = 200 * time.Millisecond
	ample = time.Hour
)

// pass lets time go by, where what must not happen has no event to wait for.
func pass(d time.Duration) { <-time.After(d) }

// timeouts is a document's block with all of them ample but those given: by name for a short one, or as name=duration.
func timeouts(set ...string) string {
	all := map[string]string{}
	for _, name := range []string{"read", "write", "upstream", "connect", "idle"} {
		all[name] = ample.String()
	}
	for _, s := range set {
		name, d, own := strings.Cut(s, "=")
		if !own {
			d = short.String()
		}
		all[name] = d
	}
	var b strings.Builder
	for name, d := range all {
		fmt.Fprintf(&b, ", %s: %s", name, d)
	}
	return "timeouts: {" + b.String()[2:] + "}\n"
}

// runsOut calls f, which begins with what the short timeout counts from, and waits for its end: an ample one is never
// waited for. That it does not end before tells what it counts from. How long each lasts is in the tables of package
// forward.
func runsOut(t *testing.T, f func()) {
	t.Helper()
	begun := time.Now()
	f()
	if d := time.Since(begun); d < short-netio.Period {
		t.Errorf("ended after %v, want %v", d, short)
	}
}

func TestIdleTimeout(t *testing.T) {
	together(t)
	g := start(t, timeouts("idle")+to(echo(t)))
	t.Run("of a new connection", func(t *testing.T) {
		t.Parallel()
		runsOut(t, func() { g.dial().ended() })
	})
	t.Run("between requests", func(t *testing.T) {
		t.Parallel()
		c := g.dial()
		runsOut(t, func() {
			c.send(get("/"))
			c.status(200)
			c.ended()
		})
	})
	t.Run("is not for a request under way", func(t *testing.T) {
		t.Parallel()
		g := start(t, timeouts("idle")+to(slow(t, 3*short)))
		if res, _ := g.ask(get("/")); res.StatusCode != 200 {
			t.Errorf("status = %d", res.StatusCode)
		}
	})
}

// slow runs an endpoint that takes its time.
func slow(t *testing.T, d time.Duration) string {
	return script(t, func(w *wire) {
		for {
			if _, err := readHead(w.r); err != nil {
				return
			}
			pass(d)
			if _, err := w.Write([]byte(ok("late"))); err != nil {
				return
			}
		}
	})
}

func TestReadTimeoutOfTheHead(t *testing.T) {
	e := listen(t)
	g := start(t, timeouts("read")+to(e.addr))
	t.Run("counts from the first byte", func(t *testing.T) {
		c := g.dial()
		pass(2 * short)
		runsOut(t, func() {
			c.send("G")
			if res := c.status(408); !res.Close {
				t.Error("the answer does not say Connection: close")
			}
		})
		c.finish()
		c.ended()
	})
	t.Run("is not put off by drops of it", func(t *testing.T) {
		c := g.dial()
		runsOut(t, func() {
			c.send("GET / HTTP/1.1\r\n")
			for i := 0; ; i++ {
				_ = c.SetReadDeadline(time.Now().Add(short / 5))
				if _, err := c.r.Peek(1); err == nil {
					break
				}
				if i > 50 {
					t.Fatal("no answer")
				}
				c.send("X: y\r\n")
			}
		})
		_ = c.SetReadDeadline(time.Now().Add(patience))
		c.status(408)
	})
	t.Run("does not answer a lone empty line", func(t *testing.T) {
		c := g.dial()
		c.send("\r\n")
		c.ended()
	})
	e.unused()
	if n := g.faults(telemetry.DPE); n != 2 {
		t.Errorf("faults DPE = %d, want 2", n)
	}
}

func TestReadTimeoutOfTheBody(t *testing.T) {
	together(t)
	const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
	t.Run("is for its silence", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("read")+to(e.addr))
		c := g.dial()
		var up *wire
		runsOut(t, func() {
			c.send(head + "x")
			up = e.accept()
			up.head()
			if res := c.status(408); !res.Close {
				t.Error("the answer does not say Connection: close")
			}
		})
		up.expect("x")
		up.ended()
		if n := g.faults(telemetry.DPE); n != 1 {
			t.Errorf("faults DPE = %d, want 1", n)
		}
	})
	t.Run("not for its length", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("read=600ms")+to(e.addr))
		c := g.dial()
		c.send(head)
		up := e.accept()
		up.head()
		for range 10 {
			pass(80 * time.Millisecond)
			c.send("x")
			up.expect("x")
		}
		up.send(ok(""))
		c.status(200)
	})
	t.Run("is not for gRPC", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("read")+to(e.addr))
		c := g.dial()
		c.send(strings.Replace(head, "Host", "Content-Type: application/grpc\r\nHost", 1) + "x")
		up := e.accept()
		up.head()
		up.expect("x")
		pass(2 * short)
		c.send("234567890")
		up.expect("234567890")
		up.send(ok(""))
		c.status(200)
	})
	t.Run("ends with the head of the answer", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("read=500ms")+to(e.addr))
		c := g.dial()
		c.send(head)
		up := e.accept()
		up.head()
		up.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
		c.head()
		pass(700 * time.Millisecond)
		c.send("0123456789")
		up.expect("0123456789")
		up.send("ok")
		c.expect("ok")
	})
}

// A client that waits for a 100 is right to be silent: until one has passed it is the endpoint's turn.
func TestTimeoutsOfAnExpectation(t *testing.T) {
	together(t)
	const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
	for _, tt := range []struct {
		name, proceed, body string // what the endpoint says, and what the client sends after a while
		status, failures    int
	}{
		{"neither goes on", "", "", 504, 1},
		{"another interim answer", "HTTP/1.1 103 Early Hints\r\n\r\n", "", 504, 1},
		{"the client does not", "HTTP/1.1 100 Continue\r\n\r\n", "", 408, 0},
		{"the client does, unasked, and stops", "", "x", 408, 0},
		{"the client does, unasked", "", "xy", 200, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g := start(t, timeouts("read=300ms", "upstream=1s")+to(e.addr))
			c := g.dial()
			c.send(head)
			up := e.accept()
			up.head()
			pass(600 * time.Millisecond)
			if tt.proceed != "" {
				up.send(tt.proceed)
				c.expect(tt.proceed)
			}
			c.send(tt.body)
			up.expect(tt.body)
			if tt.status == 200 {
				up.send(ok(""))
			}
			c.status(tt.status)
			if n := g.failures(1); n != tt.failures {
				t.Errorf("%d failures of the endpoint, want %d", n, tt.failures)
			}
		})
	}
}

func TestUpstreamTimeout(t *testing.T) {
	together(t)
	for _, tt := range []struct{ name, document string }{
		{"of the revision", timeouts("upstream") + "%s"},
		{"of the route", timeouts() + "%s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			route := ""
			if tt.name == "of the route" {
				route = "timeouts: {upstream: 200ms}"
			}
			g := start(t, fmt.Sprintf(tt.document, routed(e.addr, route)))
			c := g.dial()
			var up *wire
			runsOut(t, func() {
				c.send(get("/"))
				up = e.accept()
				up.head()
				if res := c.status(504); res.Close {
					t.Error("a slow endpoint costs the client its connection")
				}
			})
			up.ended()
			if n := g.faults(telemetry.UT); n != 1 {
				t.Errorf("faults UT = %d, want 1", n)
			}
		})
	}
	t.Run("counts from the end of the request", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("upstream")+to(e.addr))
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
		up := e.accept()
		up.head()
		pass(3 * short)
		runsOut(t, func() {
			c.send("y")
			c.status(504)
		})
	})
	t.Run("is not for the body of the answer", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("upstream")+to(e.addr))
		c := g.dial()
		c.send(get("/"))
		up := e.accept()
		up.serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")
		c.head()
		pass(3 * short)
		up.send("y")
		c.expect("xy")
	})
	t.Run("is not put off by interim answers", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts("upstream=500ms")+to(e.addr))
		c := g.dial()
		runsOut(t, func() {
			c.send(get("/"))
			up := e.accept()
			up.head()
			for range 3 {
				up.send("HTTP/1.1 102 Processing\r\n\r\n")
				c.head()
			}
			c.status(504)
		})
	})
	t.Run("is not for gRPC", func(t *testing.T) {
		t.Parallel()
		g := start(t, timeouts("upstream")+to(slow(t, 3*short)))
		res, _ := g.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc+proto\r\nContent-Length: 0\r\n" +
			"\r\n")
		if res.StatusCode != 200 || res.Header.Get("Grpc-Status") != "" {
			t.Errorf("answer = %d %v", res.StatusCode, res.Header)
		}
	})
	t.Run("of the route is for gRPC too", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts()+routed(e.addr, "timeouts: {upstream: 200ms}"))
		runsOut(t, func() {
			res, _ := g.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n")
			if res.StatusCode != 200 || res.Header.Get("Grpc-Status") != "4" {
				t.Errorf("answer = %d %v", res.StatusCode, res.Header)
			}
		})
	})
}

// An endpoint that takes no more of a body must not hold the client for ever.
func TestUpstreamThatStopsReading(t *testing.T) {
	e := listen(t)
	g := start(t, timeouts("write", "upstream")+to(e.addr))
	c := g.dial()
	go func() { // ends when the gateway closes the connection
		_, _ = c.Write([]byte("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"))
		_, _ = c.Write(make([]byte, 100_000_000))
	}()
	e.accept()
	c.status(504)
	if n := g.faults(telemetry.UT); n != 1 {
		t.Errorf("faults UT = %d, want 1", n)
	}
}

func TestRequestTimeout(t *testing.T) {
	together(t)
	t.Run("before the answer", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts()+routed(e.addr, "timeouts: {request: 200ms}"))
		runsOut(t, func() {
			if res, _ := g.ask(get("/")); res.StatusCode != 504 {
				t.Errorf("status = %d, want 504", res.StatusCode)
			}
		})
	})
	t.Run("inside the answer", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts()+routed(e.addr, "timeouts: {request: 200ms}"))
		c := g.dial()
		var up *wire
		runsOut(t, func() {
			c.send(get("/"))
			up = e.accept()
			up.serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
			c.broken()
		})
		up.ended()
		if n := g.faults(telemetry.UT); n != 1 {
			t.Errorf("faults UT = %d, want 1", n)
		}
	})
	t.Run("while connecting", func(t *testing.T) {
		t.Parallel()
		g := start(t, timeouts()+routed("127.0.0.1:1", "timeouts: {request: 200ms}"), hanging)
		runsOut(t, func() {
			if res, _ := g.ask(get("/")); res.StatusCode != 504 {
				t.Errorf("status = %d, want 504", res.StatusCode)
			}
		})
	})
	t.Run("over all attempts", func(t *testing.T) {
		t.Parallel()
		e := listen(t)
		g := start(t, timeouts()+routed(e.addr,
			"timeouts: {request: 200ms}, retries: {attempts: 10, on: [timeout], per_try_timeout: 80ms}"))
		runsOut(t, func() {
			if res, _ := g.ask(get("/")); res.StatusCode != 504 {
				t.Errorf("status = %d, want 504", res.StatusCode)
			}
		})
	})
}

// hanging connects to nowhere: it waits until it is told to stop.
func hanging(o *proxy.Options) {
	o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
}

func TestConnectTimeout(t *testing.T) {
	g := start(t, timeouts("connect")+to("127.0.0.1:1"), hanging)
	runsOut(t, func() {
		if res, body := g.ask(get("/")); res.StatusCode != 502 || body != "upstream connect failed\n" {
			t.Errorf("answer = %d %q, want 502", res.StatusCode, body)
		}
	})
	if n := g.faults(telemetry.UF); n != 1 {
		t.Errorf("faults UF = %d, want 1", n)
	}
}

func TestResponseIdleTimeout(t *testing.T) {
	e := listen(t)
	g := start(t, timeouts()+routed(e.addr, "timeouts: {response_idle: 600ms}"))
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.serve("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	c.head()
	for range 10 { // longer than the timeout, never silent for as long
		pass(80 * time.Millisecond)
		up.send("1\r\nx\r\n")
		c.expect("1\r\nx\r\n")
	}
	runsOut(t, func() {
		up.send("1\r\nx\r\n")
		c.broken()
	})
	up.ended()
	if n := g.faults(telemetry.UT); n != 1 {
		t.Errorf("faults UT = %d, want 1", n)
	}
}

func TestPerTryTimeout(t *testing.T) {
	e := listen(t)
	g := start(t, timeouts()+routed(e.addr, "retries: {attempts: 2, on: [timeout], per_try_timeout: 500ms}"))
	c := g.dial()
	var first *wire
	runsOut(t, func() {
		c.send(get("/"))
		first = e.accept()
		first.head()
		e.accept().serve(ok("second"))
	})
	if _, body := c.response("GET"); body != "second" {
		t.Errorf("body = %q", body)
	}
	first.ended()
}

func TestPerTryTimeoutIsNotSpentOnASlowHead(t *testing.T) {
	g := start(t, timeouts()+routed(echo(t), "retries: {attempts: 2, on: [timeout], per_try_timeout: 500ms}"))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\n")
	pass(600 * time.Millisecond)
	c.send("Host: a\r\n\r\n")
	c.status(200)
}

// A client that stops reading is cut, and with it what is done for it.
func TestWriteTimeout(t *testing.T) {
	together(t)
	for _, tt := range []struct{ name, document, route string }{
		{"of the revision", timeouts("write"), ""},
		{"of the route", timeouts(), "timeouts: {write: 200ms}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan error, 1)
			app := script(t, func(w *wire) {
				if _, err := readHead(w.r); err != nil {
					return
				}
				_, err := w.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"))
				for range 1000 {
					if err == nil {
						_, err = w.Write(make([]byte, 100_000))
					}
				}
				gone <- err
			})
			g := start(t, tt.document+routed(app, tt.route))
			c := g.dial()
			c.send(get("/"))
			select {
			case err := <-gone:
				if err == nil {
					t.Error("the whole answer was taken")
				}
			case <-time.After(patience):
				t.Fatal("the endpoint is still held up")
			}
			g.counted(telemetry.DC, 1)
		})
	}
}
