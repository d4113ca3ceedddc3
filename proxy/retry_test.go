package proxy_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// failing is an endpoint that fails in one way, and counts how often it was asked.
type failing struct {
	addr string
	hits atomic.Int64
}

func fails(t *testing.T, how string) *failing {
	f := &failing{}
	switch how {
	case "refuse":
		f.addr = refusing(t)
		return f
	}
	f.addr = script(t, func(w *wire) {
		for {
			head, err := readHead(w.r)
			if err != nil {
				return
			}
			if n := field(head, "Content-Length"); n == "2" {
				_, _ = w.r.Discard(2)
			}
			f.hits.Add(1)
			switch how {
			case "reset":
				w.reset()
				return
			case "silence":
			default:
				if _, err := w.Write([]byte(how)); err != nil {
					return
				}
			}
		}
	})
	return f
}

// refusing is an address where nobody listens, and nobody will while the test runs: a socket is bound to it.
func refusing(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
}

const unavailable = "HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"

// Each row has two endpoints, of which the first, which is asked first, fails.
func TestRetries(t *testing.T) {
	const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
	for _, tt := range []struct {
		name, how, retries, request string
		want                        int
		hits, retried               int64 // of the failing endpoint, and retries counted
	}{
		{"connect-failure", "refuse", "on: [connect-failure]", get("/"), 200, 0, 1},
		{"connect-failure of a POST: nothing was sent", "refuse", "on: [connect-failure]", post, 200, 0, 1},
		{"connect-failure is the default", "refuse", "attempts: 2", get("/"), 200, 0, 1},
		{"connect-failure not asked for", "refuse", "on: [reset, timeout]", get("/"), 502, 0, 0},
		{"nothing said", "refuse", "", get("/"), 200, 0, 1},
		{"nothing said, and a reset", "reset", "", get("/"), 502, 1, 0},
		{"one attempt", "refuse", "attempts: 1, on: [connect-failure]", get("/"), 502, 0, 0},
		{"reset", "reset", "on: [reset]", get("/"), 200, 1, 1},
		{"reset not asked for", "reset", "on: [connect-failure]", get("/"), 502, 1, 0},
		{"reset of a PUT with its body", "reset", "on: [reset]", "PUT" + post[4:], 200, 1, 1},
		{"reset of a POST, which the route asks for", "reset", "on: [reset]", post, 200, 1, 1},
		{"timeout", "silence", "on: [timeout], per_try_timeout: 300ms", get("/"), 200, 1, 1},
		{"timeout not asked for", "silence", "on: [reset], per_try_timeout: 300ms", get("/"), 504, 1, 0},
		{"timeout of a POST", "silence", "on: [timeout], per_try_timeout: 300ms", post, 504, 1, 0},
		{"status", unavailable, "on: [\"503\"]", get("/"), 200, 1, 1},
		{"status not asked for", unavailable, "on: [\"502\"]", get("/"), 503, 1, 0},
		{"status of a POST", unavailable, "on: [\"503\"]", post, 503, 1, 0},
		{"status of a POST where reset is named", unavailable, "on: [\"503\", reset]", post, 200, 1, 1},
		{"a malformed answer is not retried", "nonsense\r\n\r\n", "on: [reset, timeout, connect-failure]", get("/"),
			502, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := fails(t, tt.how)
			options := ""
			if tt.retries != "" {
				options = "retries: {" + tt.retries + "}"
			}
			g := start(t, clustered(options, "", bad.addr, replies(t, ok("good"))))
			res, body := g.ask(tt.request)
			if res.StatusCode != tt.want || tt.want == 200 && body != "good" || tt.how == unavailable &&
				tt.want == 503 && body != "busy" {
				t.Errorf("answer = %d %q, want %d", res.StatusCode, body, tt.want)
			}
			if n := bad.hits.Load(); n != tt.hits {
				t.Errorf("the failing endpoint was asked %d times, want %d", n, tt.hits)
			}
			if n := g.registry.Cluster("app").Retries.Load(); n != tt.retried {
				t.Errorf("retries counted = %d, want %d", n, tt.retried)
			}
		})
	}
}

func TestRetriesEndWithTheAttempts(t *testing.T) {
	log := newLog(t)
	bad := fails(t, unavailable)
	g := start(t, routed(bad.addr, "retries: {attempts: 4, on: [\"503\"]}"), log.use)
	res, body := g.ask(get("/"))
	if res.StatusCode != 503 || body != "busy" {
		t.Errorf("answer = %d %q, want the last one of the endpoint", res.StatusCode, body)
	}
	if n := bad.hits.Load(); n != 4 {
		t.Errorf("%d attempts, want 4", n)
	}
	if line := log.lines(1)[0]; line["attempts"] != 4.0 || line["flag"] != "" {
		t.Errorf("logged attempts %v, flag %v", line["attempts"], line["flag"])
	}
}

// A retry goes where the request has not been, even if it is not that endpoint's turn.
func TestRetryGoesToAnotherEndpointFirst(t *testing.T) {
	a, b, c := fails(t, unavailable), fails(t, unavailable), fails(t, unavailable)
	g := start(t, `
routes:
- {name: all, match: {path_prefix: /}, cluster: app, retries: {attempts: 3, on: ["503"]}}
clusters:
- {name: app, endpoints: [{address: "`+a.addr+`", weight: 1000}, "`+b.addr+`", "`+c.addr+`"]}
`)
	g.ask(get("/"))
	if x, y, z := a.hits.Load(), b.hits.Load(), c.hits.Load(); x != 1 || y != 1 || z != 1 {
		t.Errorf("attempts = %d, %d, %d, want one each", x, y, z)
	}
}

// However many requests fail, only a share of them is repeated at a time.
func TestRetriesAreBudgeted(t *testing.T) {
	const clients = 20
	e := listen(t)
	g := start(t, clustered("retries: {attempts: 2, on: [timeout], per_try_timeout: 1s}", "limits: {retry_budget: 0.1}",
		e.addr))
	cs := make([]*wire, clients)
	for i := range cs {
		cs[i] = g.dial()
		cs[i].send(get("/"))
		e.accept().head()
	}
	// All first attempts time out at about the same moment; three retries may always be, and a tenth of 20 is fewer.
	for range 3 {
		e.accept().head()
	}
	refused := 0
	for _, c := range cs {
		if res, _ := c.response("GET"); res.StatusCode == 504 {
			refused++
		}
	}
	e.unused()
	if n := g.registry.Cluster("app").Retries.Load(); n != 3 || refused != clients {
		t.Errorf("retries = %d, want 3; timeouts = %d, want %d", n, refused, clients)
	}
	if n := g.registry.Cluster("app").Overflow.Load(); n != clients-3 {
		t.Errorf("overflow = %d, want %d", n, clients-3)
	}
}

// A retry that has its answer is none any more, however long the body is: downloads and tunnels must not use the
// budget up.
func TestRetryEndsWithTheHeadOfItsAnswer(t *testing.T) {
	for _, tt := range []struct{ name, request, answer string }{
		{"download", get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
		{"tunnel", "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, routed(e.addr, "retries: {attempts: 2, on: [\"503\"]}"))
			for range 2 * minRetries {
				c := g.dial()
				c.send(tt.request)
				e.accept().serve("HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				e.accept().serve(tt.answer)
				if h := c.head(); !strings.HasPrefix(h, tt.answer[:len("HTTP/1.1 200")]) {
					t.Fatalf("head = %q", h)
				}
			}
		})
	}
}

// minRetries is what any cluster may retry at a time.
const minRetries = 3

// Several attempts of one request have one place in the budget.
func TestRetriesOfOneRequestFollowEachOther(t *testing.T) {
	bad := fails(t, unavailable)
	g := start(t, routed(bad.addr, "retries: {attempts: 10, on: [\"503\"]}"))
	g.ask(get("/"))
	if n := bad.hits.Load(); n != 10 {
		t.Errorf("%d attempts, want 10", n)
	}
}

// Nothing was sent yet where connecting failed, so a body that is still coming in is no hindrance.
func TestConnectFailureRetriesALargeUpload(t *testing.T) {
	const size = 1_000_000
	app := backend(t, ofLength)
	g := start(t, clustered("retries: {attempts: 2}", "", refusing(t), app))
	c := g.dial()
	c.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", size, strings.Repeat("x", size)))
	if _, body := c.response("POST"); body != "1000000" {
		t.Errorf("body = %q", body)
	}
}

func TestAllEndpointsGone(t *testing.T) {
	g := start(t, clustered("retries: {attempts: 3}", "", refusing(t), refusing(t)))
	if res, _ := g.ask(get("/")); res.StatusCode != 502 {
		t.Errorf("status = %d, want 502", res.StatusCode)
	}
	if n := g.faults(telemetry.UF); n != 1 {
		t.Errorf("faults UF = %d, want 1: one answer", n)
	}
}
