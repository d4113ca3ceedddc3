package proxy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// two is a document with a route that has the options to a cluster of two endpoints, the first of which is asked first.
func two(a, b *endpoint, options string) string { return clustered(options, "", a.addr, b.addr) }

// An endpoint that fails in the middle of an upload is replaced by another one, which gets what has come so far. The
// rest follows as it comes.
func TestRetryInTheMiddleOfAnUpload(t *testing.T) {
	const sized, chunked = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n",
		"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tt := range []struct {
		name       string
		parts      []string // of the request; the endpoint fails when it has them
		rest, want string   // what the client sends then, and the body that the other endpoint gets in all
	}{
		{"before any of the body", []string{sized}, "abcdef", "abcdef"},
		{"after what came with the head", []string{sized + "ab"}, "cdef", "abcdef"},
		{"after more", []string{sized + "ab", "cd"}, "ef", "abcdef"},
		{"after all of it", []string{sized + "ab", "cd", "ef"}, "", "abcdef"},
		{"in chunks", []string{chunked + "2\r\nab\r\n", "1\r\nc\r\n"}, "3\r\ndef\r\n0\r\n\r\n", "2\r\nab\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad, good := listen(t), listen(t)
			g := start(t, two(bad, good, "retries: {attempts: 2, on: [reset]}"))
			c := g.dial()
			var up *wire
			for i, p := range tt.parts {
				c.send(p)
				if i == 0 {
					up = bad.accept()
					up.head()
					_, p, _ = strings.Cut(p, "\r\n\r\n")
				}
				up.expect(p)
			}
			up.reset()
			up = good.accept()
			up.head()
			c.send(tt.rest)
			if tt.name == "in chunks" { // the pieces may be cut anew
				if got := dechunk(t, up); got != "abcdef" {
					t.Errorf("the other endpoint got %q", got)
				}
			} else {
				up.expect(tt.want)
			}
			up.send(ok("done"))
			c.status(200)
			c.send(get("/next")) // the client's connection is as good as before
			if h := up.serve(ok("")); !strings.HasPrefix(h, "GET /next ") {
				t.Errorf("head = %q", h)
			}
			c.status(200)
		})
	}
}

// dechunk reads a chunked body.
func dechunk(t *testing.T, w *wire) string {
	t.Helper()
	var b strings.Builder
	for {
		var n int
		line, err := w.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Sscanf(line, "%x", &n); err != nil {
			t.Fatalf("chunk %q: %v", line, err)
		}
		if _, err := io.CopyN(&b, w.r, int64(n)); err != nil {
			t.Fatal(err)
		}
		w.expect("\r\n")
		if n == 0 {
			return b.String()
		}
	}
}

// More than 64 KiB are not held, and neither is anything where the route does not repeat requests, or the method must
// not be.
func TestUploadThatIsNotHeld(t *testing.T) {
	for _, tt := range []struct {
		name, method, options string
		size                  int
		want                  int
	}{
		{"64 KiB", "PUT", "retries: {on: [reset]}", 64 << 10, 200},
		{"one byte more", "PUT", "retries: {on: [reset]}", 64<<10 + 1, 502},
		{"only connect-failure", "PUT", "retries: {on: [connect-failure]}", 20_000, 502},
		{"only timeouts", "PUT", "retries: {on: [timeout]}", 20_000, 502},
		{"nothing said", "PUT", "", 20_000, 502},
		{"POST, the route asks", "POST", "retries: {on: [reset]}", 20_000, 200},
		{"POST", "POST", "retries: {on: [\"503\", timeout]}", 20_000, 502},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad, good := listen(t), listen(t)
			g := start(t, two(bad, good, tt.options))
			c := g.dial()
			body := strings.Repeat("0123456789", tt.size/10+1)[:tt.size]
			c.send(fmt.Sprintf("%s / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", tt.method, tt.size))
			up := bad.accept()
			up.head()
			c.send(body)
			up.expect(body)
			up.reset()
			if tt.want == 200 {
				up = good.accept()
				up.head()
				up.expect(body)
				up.send(ok(""))
			}
			c.status(tt.want)
			good.unused()
		})
	}
}

// An endpoint that turns a request down before it has all of it: what it has is sent to another one with the rest.
func TestRetryOfAnEarlyAnswer(t *testing.T) {
	bad, good := listen(t), listen(t)
	g := start(t, two(bad, good, "retries: {on: [\"503\"]}"))
	c := g.dial()
	c.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab")
	up := bad.accept()
	up.head()
	up.expect("ab")
	up.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
	up = good.accept()
	up.head()
	c.send("cdef")
	up.expect("abcdef")
	up.send(ok("done"))
	if res, body := c.response("PUT"); res.StatusCode != 200 || body != "done" || res.Close {
		t.Errorf("answer = %d %q, close %v", res.StatusCode, body, res.Close)
	}
}

// With nobody left to ask, such an answer is passed on while the upload goes on.
func TestEarlyAnswerIsPassedOnAtTheEnd(t *testing.T) {
	e := listen(t)
	g := start(t, routed(e.addr, "retries: {attempts: 1, on: [\"503\"]}"))
	c := g.dial()
	c.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nab")
	up := e.accept()
	up.head()
	up.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\n")
	if h := c.head(); !strings.HasPrefix(h, "HTTP/1.1 503 ") {
		t.Errorf("head = %q", h)
	}
	c.send("cdef")
	up.expect("abcdef")
	up.send("busy")
	c.expect("busy")
}

func TestRetryWithExpect100(t *testing.T) {
	bad, good := listen(t), listen(t)
	g := start(t, two(bad, good, "retries: {on: [reset]}"))
	c := g.dial()
	c.send("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	up := bad.accept()
	up.head()
	up.send("HTTP/1.1 100 Continue\r\n\r\n")
	c.expect("HTTP/1.1 100 Continue\r\n\r\n")
	c.send("ab")
	up.expect("ab")
	up.reset()
	up = good.accept()
	up.head()
	c.send("cd")
	up.expect("abcd")
	up.send(ok(""))
	c.status(200)
}

// Where the route says nothing, a connection that cannot be made is no reason to fail while there are other endpoints.
func TestFailover(t *testing.T) {
	dead := func() string { return refusing(t) }
	for _, tt := range []struct {
		name, options string
		endpoints     func(t *testing.T) []string
		want          int
		retried       int64
	}{
		{"to the second", "", func(t *testing.T) []string { return []string{dead(), echo(t)} }, 200, 1},
		{"to the fourth", "", func(t *testing.T) []string { return []string{dead(), dead(), dead(), echo(t)} }, 200, 3},
		{"to the fifth: too far", "", func(t *testing.T) []string {
			return []string{dead(), dead(), dead(), dead(),
				echo(t)}
		}, 502, 3},
		{"not to the same", "", func(t *testing.T) []string { return []string{dead()} }, 502, 0},
		{"all are dead", "", func(t *testing.T) []string { return []string{dead(), dead()} }, 502, 1},
		{"the route wants none", "retries: {attempts: 1}",
			func(t *testing.T) []string { return []string{dead(), echo(t)} }, 502, 0},
		{"a reset is none", "", func(t *testing.T) []string { return []string{fails(t, "reset").addr, echo(t)} }, 502,
			0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, clustered(tt.options, "", tt.endpoints(t)...))
			if res, _ := g.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"); res.StatusCode != tt.want {
				t.Errorf("status = %d, want %d", res.StatusCode, tt.want)
			}
			if n := g.registry.Cluster("app").Retries.Load(); n != tt.retried {
				t.Errorf("retries = %d, want %d", n, tt.retried)
			}
		})
	}
}

// Nobody has had work with a request that was not sent, so trying it elsewhere is not held against the budget.
func TestFailoverNeedsNoBudget(t *testing.T) {
	const clients = 20
	for _, options := range []string{"", "retries: {}"} {
		e := listen(t)
		g := start(t, clustered(options, "limits: {retry_budget: 0.001}, passive_health: {consecutive_failures: 0}",
			refusing(t), e.addr))
		all := make([]*wire, clients)
		for i := range all {
			all[i] = g.dial()
			all[i].send(get("/"))
			e.accept().head()
		}
		if n := g.registry.Cluster("app").Overflow.Load(); n != 0 {
			t.Errorf("overflow = %d, want 0", n)
		}
	}
}

// grpcCall is a call over HTTP/2 whose client does not end its side before the answer has come.
func grpcCall(t *testing.T, g *gateway) *http.Response {
	t.Helper()
	body, w := io.Pipe()
	defer w.Close()
	req, err := http.NewRequest("POST", "http://"+g.addr+"/s/m", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	go func() { _, _ = w.Write([]byte("ping!")) }() // ends with the call at the latest
	res, err := versionClient(t, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res
}

func TestRetryOfUnavailable(t *testing.T) {
	trailersOnly := func(status string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", status)
		}
	}
	for _, tt := range []struct {
		name, options string
		bad           http.HandlerFunc
		again         bool
	}{
		{"trailers only", "retries: {on: [unavailable]}", trailersOnly("14"), true},
		{"not asked for", "retries: {on: [reset, timeout, \"503\"]}", trailersOnly("14"), false},
		{"nothing said", "", trailersOnly("14"), false},
		{"another status", "retries: {on: [unavailable]}", trailersOnly("8"), false},
		{"a proxy's 503", "retries: {on: [unavailable]}",
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) }, true},
		{"a proxy's 500", "retries: {on: [unavailable]}",
			func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, false},
		{"behind a message", "retries: {on: [unavailable]}", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Trailer", "Grpc-Status")
			_, _ = io.WriteString(w, "message")
			w.Header().Set("Grpc-Status", "14")
		}, false},
		{"refused stream", "retries: {on: [unavailable]}", nil, true},
		// its body is not held
		{"refused stream, only connect-failure", "retries: {on: [connect-failure]}", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := ""
			var refused atomic.Int64
			if tt.bad == nil {
				bad = refusesStreams(t, &refused)
			} else {
				bad = versionBackend(t, true, tt.bad)
			}
			good := versionBackend(t, true, func(w http.ResponseWriter, r *http.Request) {
				b := make([]byte, 5)
				_, err := io.ReadFull(r.Body, b)
				w.Header().Set("Content-Type", "application/grpc")
				w.Header().Set("X-Got", fmt.Sprintf("%s %v", b, err))
				w.Header().Set("Grpc-Status", "0")
			})
			g := start(t, clustered(tt.options, "protocol: http2", bad, good))
			res := grpcCall(t, g) //nolint:bodyclose // grpcCall has done so
			if got := res.Header.Get("X-Got"); (got != "") != tt.again || tt.again && got != "ping! <nil>" {
				t.Errorf("the other endpoint got %q; the answer: %v", got, res.Header)
			}
			want := int64(0)
			if tt.again {
				want = 1
			}
			if n := g.registry.Cluster("app").Retries.Load(); n != want {
				t.Errorf("retries = %d, want %d", n, want)
			}
		})
	}
}

// refusesStreams is an endpoint that speaks HTTP/2 and does not process what it is asked.
func refusesStreams(t *testing.T, count *atomic.Int64) string {
	t.Helper()
	ln := testserver.Listen(t)
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			refuse(t, c, count)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-done })
	return ln.Addr().String()
}

// refuse carries one connection.
func refuse(t *testing.T, c net.Conn, count *atomic.Int64) {
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := testpeer.New(t, c, c)
	if f.WriteSettings() != nil {
		return
	}
	for {
		switch fr, err := f.ReadFrame(); {
		case err != nil:
			return
		case fr.Header().Type == http2.FrameHeaders:
			count.Add(1)
			if f.WriteRSTStream(fr.Header().StreamID, http2.ErrCodeRefusedStream) != nil {
				return
			}
		}
	}
}

// A call that could not be sent anywhere is what `unavailable` is about too.
func TestUnavailableCoversConnecting(t *testing.T) {
	good := versionBackend(t, true, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Grpc-Status", "0") })
	g := start(t, clustered("retries: {on: [unavailable]}", "protocol: http2", refusing(t), good))
	if res := grpcCall(t, g); res.Header.Get("Grpc-Status") != "0" { //nolint:bodyclose // grpcCall has done so
		t.Errorf("answer = %d %v", res.StatusCode, res.Header)
	}
	if n := g.faults(telemetry.UF); n != 0 {
		t.Errorf("faults UF = %d, want 0: the client never saw it", n)
	}
}

// A client that went away is no sign of a stale connection: its request is not sent a second time.
func TestRequestOfAClientThatLeftIsNotRepeated(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	up := warm(g, e, 1)[0]
	c := g.dial()
	c.send(get("/"))
	up.head()
	c.reset()
	up.ended()
	g.counted(telemetry.DC, 1)
	e.unused()
}

// A stream that the endpoint resets was no stale connection: without a word in the route it is not repeated.
func TestResetStreamIsNotRepeated(t *testing.T) {
	var hits atomic.Int64
	app := versionBackend(t, true, func(w http.ResponseWriter, r *http.Request) {
		if hits.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	})
	g := start(t, clustered("", "protocol: http2", app))
	g.ask(get("/"))
	if res, _ := g.ask(get("/")); res.StatusCode != 502 {
		t.Errorf("status = %d, want 502", res.StatusCode)
	}
	if n := hits.Load(); n != 2 {
		t.Errorf("the endpoint was asked %d times, want 2", n)
	}
}
