package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// ofLength answers with the length of the request's body.
func ofLength(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err == nil {
		fmt.Fprint(w, n)
	}
}

func headOf(bytes int) func(*proxy.Options) {
	return func(o *proxy.Options) { o.MaxHead = bytes }
}

func TestLargestRequestHead(t *testing.T) {
	g := start(t, to(backend(t, ofPath)), headOf(4096))
	const begin = "GET / HTTP/1.1\r\nHost: a\r\nX: "
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"just fits", begin + strings.Repeat("x", 4096-len(begin)-4) + "\r\n\r\n", 200},
		{"one byte over", begin + strings.Repeat("x", 4096-len(begin)-3) + "\r\n\r\n", 431},
		{"without an end", begin + strings.Repeat("x", 10_000), 431},
		{"200 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 199) + "\r\n", 200},
		{"201 fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 200) + "\r\n", 431},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, _ := g.ask(tt.request)
			if res.StatusCode != tt.want || res.Close != (tt.want != 200) {
				t.Errorf("status = %d, close %v, want %d", res.StatusCode, res.Close, tt.want)
			}
		})
	}
}

func TestLongestRequestLine(t *testing.T) {
	g := start(t, to(backend(t, ofPath)))
	line := func(n int) string { return "GET /" + strings.Repeat("x", n-len("GET / HTTP/1.1")) + " HTTP/1.1" }
	for n, want := range map[int]int{16 << 10: 200, 16<<10 + 1: 414, 100_000: 414} {
		if res, _ := g.ask(line(n) + "\r\nHost: a\r\n\r\n"); res.StatusCode != want {
			t.Errorf("line of %d bytes: status = %d, want %d", n, res.StatusCode, want)
		}
	}
}

func TestLargestResponseHead(t *testing.T) {
	const begin = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: "
	for n, want := range map[int]int{4096: 200, 4097: 502} {
		g := start(t, to(replies(t, begin+strings.Repeat("x", n-len(begin)-4)+"\r\n\r\n")), headOf(4096))
		if res, _ := g.ask(get("/")); res.StatusCode != want {
			t.Errorf("head of %d bytes: status = %d, want %d", n, res.StatusCode, want)
		}
		if want == 502 && g.faults(telemetry.UPE) != 1 {
			t.Error("a head that is too large is not flagged UPE")
		}
	}
}

// What is over the limit waits in the kernel, and is served when there is room.
func TestConnectionsOverTheLimitWait(t *testing.T) {
	g := start(t, to(backend(t, ofPath)), func(o *proxy.Options) { o.Limit = netio.NewLimit(2) })
	a, b, c := g.dial(), g.dial(), g.dial()
	for _, w := range []*wire{a, b} {
		w.send(get("/"))
		w.status(200)
	}
	c.send(get("/late"))
	c.silent()
	if g.limit.Used() != 2 {
		t.Errorf("%d connections, want 2", g.limit.Used())
	}
	a.Close()
	if _, body := c.response("GET"); body != "/late" {
		t.Errorf("body = %q", body)
	}
}

func TestLargestRequestBody(t *testing.T) {
	g := start(t, "limits: {max_body: 100}\n"+to(backend(t, ofLength)))
	big := strings.Repeat("x", 200_000)
	for _, tt := range []struct {
		name, request string
		want          int
	}{
		{"sized, just fits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + big[:100], 200},
		{"sized, too large", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n" + big[:101], 413},
		{"chunked, just fits", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n" + big[:100] +
			"\r\n0\r\n\r\n", 200},
		{"chunked, too large at once", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" +
			big[:101] + "\r\n0\r\n\r\n", 413},
		{"chunked, too large later", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
			strings.Repeat("1\r\nx\r\n", 5000), 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res, body := g.ask(tt.request); res.StatusCode != tt.want {
				t.Errorf("status = %d %q, want %d", res.StatusCode, body, tt.want)
			}
		})
	}
	t.Run("chunked, while it is passed on", func(t *testing.T) {
		e := listen(t)
		g := start(t, "limits: {max_body: 100}\n"+to(e.addr))
		c := g.dial()
		c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
		up := e.accept()
		up.head()
		up.expect("1\r\nx\r\n")
		c.send("64\r\n" + big[:100] + "\r\n")
		if res := c.status(413); !res.Close {
			t.Error("the answer does not say Connection: close")
		}
		if got := rawRest(up); strings.Contains(got, "0\r\n\r\n") {
			t.Errorf("the endpoint got %q, which looks whole", got)
		}
	})
}

func TestClusterLimits(t *testing.T) {
	t.Run("requests", func(t *testing.T) {
		e := listen(t)
		g := start(t, clustered("", "limits: {max_requests: 1}", e.addr))
		c := g.dial()
		c.send(get("/"))
		up := e.accept()
		up.head()
		if res, body := g.ask(get("/")); res.StatusCode != 503 || body != "upstream limit reached\n" || res.Close {
			t.Errorf("answer = %d %q, close %v", res.StatusCode, body, res.Close)
		}
		up.send(ok(""))
		c.status(200)
		g.idle(2)
		c.send(get("/"))
		up.serve(ok(""))
		c.status(200)
		if n := g.faults(telemetry.UO); n != 1 {
			t.Errorf("faults UO = %d, want 1", n)
		}
	})
	t.Run("connections, nobody waits", func(t *testing.T) {
		e := listen(t)
		g := start(t, clustered("", "limits: {max_connections: 1, max_pending: 0}", e.addr))
		c := g.dial()
		c.send(get("/"))
		up := e.accept()
		up.head()
		if res, _ := g.ask(get("/")); res.StatusCode != 503 {
			t.Errorf("status = %d, want 503", res.StatusCode)
		}
		up.send(ok(""))
		c.status(200)
		if n := g.faults(telemetry.UO); n != 1 || g.registry.Cluster("app").Overflow.Load() != 1 {
			t.Errorf("faults UO = %d, want 1", n)
		}
		e.unused()
	})
	t.Run("connections, one waits", func(t *testing.T) {
		e := listen(t)
		g := start(t, clustered("", "limits: {max_connections: 1, max_pending: 1}", e.addr))
		a, b := g.dial(), g.dial()
		a.send(get("/a"))
		up := e.accept()
		up.head()
		b.send(get("/b"))
		b.silent()
		if res, _ := g.ask(get("/c")); res.StatusCode != 503 {
			t.Errorf("status of the second to wait = %d, want 503", res.StatusCode)
		}
		up.send(ok("a"))
		a.status(200)
		if h := up.serve(ok("b")); !strings.HasPrefix(h, "GET /b ") {
			t.Errorf("head = %q", h)
		}
		if _, body := b.response("GET"); body != "b" {
			t.Errorf("body = %q", body)
		}
		e.unused()
	})
	t.Run("connections, waited for too long", func(t *testing.T) {
		e := listen(t)
		g := start(t, timeouts("connect")+clustered("", "limits: {max_connections: 1}", e.addr))
		g.dial().send(get("/a"))
		up := e.accept()
		up.head()
		runsOut(t, func() {
			if res, _ := g.ask(get("/b")); res.StatusCode != 503 {
				t.Errorf("status = %d, want 503", res.StatusCode)
			}
		})
		if n := g.faults(telemetry.UO); n != 1 {
			t.Errorf("faults UO = %d, want 1", n)
		}
	})
}
