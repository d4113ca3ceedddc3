package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// slowly is a rate limit that gives no token back while a test runs.
func slowly(burst int, key string) string {
	return fmt.Sprintf("rate_limit: {rate: 0.001, burst: %d, key: %q}", burst, key)
}

func TestRateLimitOfARoute(t *testing.T) {
	log := newLog(t)
	g := start(t, routed(echo(t), slowly(2, "route")), log.use)
	c := g.dial()
	for range 2 {
		c.send(get("/"))
		c.status(200)
	}
	c.send(get("/") + get("/"))
	for range 2 { // the connection lives on
		res, body := c.response("GET")
		if res.StatusCode != 429 || body != "rate limited\n" || res.Header.Get("Retry-After") != "1000" || res.Close {
			t.Fatalf("answer = %d %q, Retry-After %q, close %v", res.StatusCode, body, res.Header.Get("Retry-After"),
				res.Close)
		}
	}
	g.counted(telemetry.RL, 2)
	lines := log.lines(4)
	if l := lines[3]; l["flag"] != "RL" || l["status"] != 429.0 || l["route"] != "all" || l["attempts"] != 0.0 {
		t.Errorf("logged %v", l)
	}
	if n := g.registry.Route("all").Requests(); n != 4 {
		t.Errorf("requests of the route = %d, want 4", n)
	}
}

func TestRateLimitTellsWhenToRetryInWholeSeconds(t *testing.T) {
	for rate, want := range map[string]string{"100": "1", "0.5": "2", "0.3": "4"} {
		g := start(t, routed(echo(t), "rate_limit: {rate: "+rate+", burst: 1}"))
		for range 20 { // 100 a second may give one back meanwhile
			res, _ := g.ask(get("/"))
			if res.StatusCode == 429 {
				if got := res.Header.Get("Retry-After"); got != want {
					t.Errorf("rate %s: Retry-After = %q, want %s", rate, got, want)
				}
				break
			}
		}
	}
}

func TestRateLimitByKey(t *testing.T) {
	from := func(address string) string {
		return "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + address + "\r\n\r\n"
	}
	with := func(user string) string {
		return "GET / HTTP/1.1\r\nHost: a\r\nX-USER: " + user + "\r\n\r\n"
	}
	type step struct {
		request string
		want    int
	}
	for _, tt := range []struct {
		name, key string
		trusted   bool
		steps     []step
	}{
		{"address of the peer, whatever it claims", "remote_ip", false,
			[]step{{from("192.0.2.1"), 200}, {from("192.0.2.2"), 429}, {get("/"), 429}}},
		{"address that a trusted proxy names", "remote_ip", true, []step{
			{from("192.0.2.1"), 200}, {from("192.0.2.2"), 200}, {from("192.0.2.1"), 429},
			{from("192.0.2.9, 192.0.2.2"), 429}, {get("/"), 200}, {get("/"), 429},
		}},
		{"one address in other words", "remote_ip", true, []step{
			{from("2001:db8::1"), 200}, {from("2001:DB8:0:0::0001"), 429}, {from("192.0.2.1"), 200},
			{from("::ffff:192.0.2.1"), 429},
		}},
		{"value of a field", "header:X-User", false, []step{
			{with("ann"), 200}, {with("bob"), 200}, {with("ann"), 429}, {with("Ann"), 200}, {get("/"), 200},
			{get("/other"), 429},
			{with(strings.Repeat("x", 10_000)), 200}, {with(strings.Repeat("x", 10_000)), 429},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, routed(echo(t), slowly(1, tt.key)), func(o *proxy.Options) {
				if tt.trusted {
					o.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			})
			for _, s := range tt.steps {
				if res, _ := g.ask(s.request); res.StatusCode != s.want {
					t.Errorf("status = %d, want %d for %.80q", res.StatusCode, s.want, s.request)
				}
			}
		})
	}
}

// A limit goes with its route's name from revision to revision, as long as it is the same limit.
func TestRateLimitOverRevisions(t *testing.T) {
	app := echo(t)
	document := func(limit, options string) string { return routed(app, limit+options) }
	g := start(t, document(slowly(3, "route"), ""))
	for i, tt := range []struct {
		document string
		want     int
	}{
		{document(slowly(3, "route"), ""), 200},
		{document(slowly(3, "route"), ", retries: {attempts: 3}"), 200},
		{document(slowly(3, "route"), ", host_rewrite: b"), 200},
		{document(slowly(3, "route"), ""), 429},
		{document(slowly(1, "route"), ""), 200},
		{document(slowly(1, "route"), ""), 429},
		{document("timeouts: {}", ""), 200},
		{document(slowly(1, "route"), ""), 200},
		{document(slowly(1, "route"), ""), 429},
		{document(slowly(1, "header:x"), ""), 200},
		{document(slowly(1, "header:x"), ", prefix_rewrite: /x"), 429},
	} {
		g.apply(tt.document)
		if res, _ := g.ask(get("/")); res.StatusCode != tt.want {
			t.Errorf("step %d: status = %d, want %d", i, res.StatusCode, tt.want)
		}
	}
}

// Whichever way a request goes, it takes one token.
func TestRateLimitInEachVersion(t *testing.T) {
	for _, down2 := range []bool{false, true} {
		for _, up2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("http2 client %v, endpoint %v", down2, up2), func(t *testing.T) {
				protocol := map[bool]string{false: "http1", true: "http2"}[up2]
				app := versionBackend(t, up2,
					func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") })
				g := start(t, clustered(slowly(5, "route"), "protocol: "+protocol, app))
				c := versionClient(t, down2)
				for i := range 8 {
					res, err := c.Get("http://" + g.addr)
					if err != nil {
						t.Fatal(err)
					}
					body, _ := io.ReadAll(res.Body)
					res.Body.Close()
					want := 200
					if i >= 5 {
						want = 429
					}
					if res.StatusCode != want {
						t.Errorf("request %d: status = %d %q, want %d", i, res.StatusCode, body, want)
					}
				}
			})
		}
	}
}

func TestRateLimitOfGRPC(t *testing.T) {
	g := start(t, routed(echo(t), slowly(1, "route")))
	const call = "POST /s/m HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n"
	g.ask(call)
	res, body := g.ask(call)
	if code, _ := strconv.Atoi(res.Header.Get("Grpc-Status")); res.StatusCode != 200 || code != 8 || body != "" {
		t.Errorf("answer = %d %q, grpc-status %d, want 200 with RESOURCE_EXHAUSTED (8)", res.StatusCode, body, code)
	}
}
