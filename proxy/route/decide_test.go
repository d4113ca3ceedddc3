package route

import (
	"net/netip"
	"regexp"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// begun is when the requests of the tables begin.
const begun = int64(1000 * time.Second)

// table compiles a revision in which rt is the only route. What rt has no cluster for goes to "app".
func table(t *testing.T, rt config.Route, maxBody int64) *Table {
	t.Helper()
	rt.Name = "r"
	if rt.Match.PathPrefix == "" {
		rt.Match.PathPrefix = "/"
	}
	if rt.Clusters == nil {
		rt.Clusters = []config.WeightedCluster{{Name: "app", Weight: 1}}
	}
	doc := &config.Document{Routes: []config.Route{rt}}
	doc.Limits.MaxBody = maxBody
	table, err := Compile(Options{
		Document: doc, Upstreams: map[string]*Upstream{"app": {}}, Registry: telemetry.NewRegistry(),
		Trusted: prefixes("10.0.0.0/8"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// request parses a head without its first Host and last line.
func request(t testing.TB, line, fields string) *message.Head {
	t.Helper()
	h, lim := new(message.Head), http1.DefaultLimits()
	if err := http1.ParseRequest([]byte(line+" HTTP/1.1\r\nHost: a\r\n"+fields+"\r\n"), h, &lim); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return h
}

func decide(tb *Table, h *message.Head, trusted bool) (d Decision, r *LocalReply) {
	c := &Client{Listener: &Listener{Name: "web"}, IP: "10.0.0.1", Trusted: trusted}
	r = tb.Decide(&d, h, c, begun, new(Workspace))
	return d, r
}

// Which local reply ends a decision, and which of two comes first.
func TestDecideReplies(t *testing.T) {
	none := []config.WeightedCluster{{Name: "app", Weight: 0}}
	limited := config.RateLimit{Rate: 0.5, Burst: 1, Key: config.RateLimitRoute}
	const grpc = "Content-Type: application/grpc\r\n"
	for _, tt := range []struct {
		name         string
		route        config.Route
		maxBody      int64
		before       int // requests
		line, fields string
		want         *LocalReply
	}{
		{"accepted", config.Route{}, 0, 0, "GET /", "", nil},
		{"CONNECT", config.Route{}, 0, 0, "CONNECT a:1", "", ReplyConnect},
		{"a path that climbs", config.Route{}, 0, 0, "GET /../x", "", ReplyPath},
		{"no route", config.Route{Match: config.Match{PathPrefix: "/api"}}, 0, 0, "GET /app", "", ReplyNoRoute},
		{"no route by the method", config.Route{Match: config.Match{Methods: []string{"GET"}}}, 0, 0, "HEAD /", "",
			ReplyNoRoute},
		{"all weights are 0", config.Route{Clusters: none}, 0, 0, "GET /", "", ReplyNoCluster},
		{"the last token", config.Route{RateLimit: limited}, 0, 0, "GET /", "", nil},
		{"rate limited", config.Route{RateLimit: limited}, 0, 1, "GET /", "", ReplyRateLimited},
		{"rate limited before the cluster", config.Route{RateLimit: limited, Clusters: none}, 0, 1, "GET /", "",
			ReplyRateLimited},
		{"body of max_body", config.Route{}, 5, 0, "POST /", "Content-Length: 5\r\n", nil},
		{"body over max_body", config.Route{}, 5, 0, "POST /", "Content-Length: 6\r\n", ReplyMaxBody},
		{"body over max_body, gRPC", config.Route{}, 5, 0, "POST /", grpc + "Content-Length: 6\r\n", ReplyMaxBody},
		{"body of unknown length", config.Route{}, 5, 0, "POST /", "Transfer-Encoding: chunked\r\n", nil},
		{"max_body of 0 is none", config.Route{}, 0, 0, "POST /", "Content-Length: 999999999999\r\n", nil},
		{"no cluster before max_body", config.Route{Clusters: none}, 5, 0, "POST /", "Content-Length: 6\r\n",
			ReplyNoCluster},
		{"no route before max_body", config.Route{Match: config.Match{PathPrefix: "/api"}}, 5, 0, "POST /",
			"Content-Length: 6\r\n", ReplyNoRoute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tb := table(t, tt.route, tt.maxBody)
			for range tt.before {
				_, _ = decide(tb, request(t, "GET /", ""), false)
			}
			d, r := decide(tb, request(t, tt.line, tt.fields), false)
			if r != tt.want {
				t.Fatalf("reply %+v, want %+v", r, tt.want)
			}
			if d.Table != tb {
				t.Error("the decision does not know its table")
			}
			if want := map[bool]time.Duration{true: 2 * time.Second}[r == ReplyRateLimited]; d.RetryAfter != want {
				t.Errorf("a token is back after %v, want %v", d.RetryAfter, want)
			}
			if (d.Upstream != nil) != (r == nil || r == ReplyMaxBody) {
				t.Errorf("upstream %v with reply %v", d.Upstream, r)
			}
		})
	}
}

// The deadline is the earlier of the route's and the caller's own, and whose it is.
func TestDecideDeadline(t *testing.T) {
	const grpc = "Content-Type: application/grpc\r\n"
	for _, tt := range []struct {
		name    string
		request time.Duration
		fields  string
		want    time.Duration // from the request's begin; 0 never
		client  bool
	}{
		{"none", 0, "", 0, false},
		{"the route's", time.Second, "", time.Second, false},
		{"gRPC without one", 0, grpc, 0, false},
		{"the caller's", 0, grpc + "grpc-timeout: 300m\r\n", 300 * time.Millisecond, true},
		{"the caller's is earlier", time.Second, grpc + "grpc-timeout: 999m\r\n", 999 * time.Millisecond, true},
		{"the route's is earlier", time.Second, grpc + "grpc-timeout: 1001m\r\n", time.Second, false},
		{"both at once: the route's", time.Second, grpc + "grpc-timeout: 1S\r\n", time.Second, false},
		{"the caller's is malformed", time.Second, grpc + "grpc-timeout: 1\r\n", time.Second, false},
		{"not gRPC", 0, "grpc-timeout: 300m\r\n", 0, false},
	} {
		tb := table(t, config.Route{Timeouts: config.RouteTimeouts{Request: tt.request}}, 0)
		d, _ := decide(tb, request(t, "POST /", tt.fields), false)
		want := int64(0)
		if tt.want > 0 {
			want = begun + int64(tt.want)
		}
		if d.Deadline != want || d.ClientDeadline != tt.client {
			t.Errorf("%s: deadline %d, of the client %v; want %d, %v", tt.name, d.Deadline, d.ClientDeadline, want,
				tt.client)
		}
	}
}

// timeouts.upstream is not for gRPC, unless the route names it, which is UpstreamGRPC.
func TestUpstreamTimeout(t *testing.T) {
	tb := table(t, config.Route{Timeouts: config.RouteTimeouts{Upstream: time.Second, UpstreamGRPC: time.Minute}}, 0)
	for fields, want := range map[string]time.Duration{"": time.Second,
		"Content-Type: application/grpc\r\n": time.Minute} {
		if d, _ := decide(tb, request(t, "POST /", fields), false); d.UpstreamTimeout() != want {
			t.Errorf("%q: %v, want %v", fields, d.UpstreamTimeout(), want)
		}
	}
}

func TestGRPCTimeout(t *testing.T) {
	for v, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond,
		"5u": 5 * time.Microsecond, "6n": 6,
		"0S": 0, "99999999n": 99999999, "99999999S": maxGRPCTimeout, "99999999H": maxGRPCTimeout,
		"8760H": maxGRPCTimeout, "8761H": maxGRPCTimeout,
		"8759H": 8759 * time.Hour, "123456789S": 0, "": 0, "S": 0, "1": 0, "1x": 0, "99999999x": 0, "-1S": 0, "+1S": 0,
		" 1S": 0, "1.5S": 0, "1S ": 0,
	} {
		if got := grpcTimeout([]byte(v)); got != want {
			t.Errorf("grpc-timeout %q: %v, want %v", v, got, want)
		}
	}
}

// What a decision knows of the request besides its route.
func TestDecideRequest(t *testing.T) {
	for _, tt := range []struct {
		line, fields string
		method       telemetry.Method
		head, grpc   bool
	}{
		{"GET /", "", telemetry.MethodGet, false, false},
		{"HEAD /", "", telemetry.MethodHead, true, false},
		{"head /", "", telemetry.ParseMethod([]byte("head")), false, false},
		{"POST /", "Content-Type: application/grpc\r\n", telemetry.MethodPost, false, true},
		{"POST /", "Content-Type: application/grpc+proto\r\n", telemetry.MethodPost, false, true},
		{"POST /", "Content-Type: application/grpc;charset=utf-8\r\n", telemetry.MethodPost, false, true},
		{"POST /", "Content-Type: application/grpc-web\r\n", telemetry.MethodPost, false, false},
		{"POST /", "Content-Type: application/json\r\n", telemetry.MethodPost, false, false},
		{"HEAD /", "Content-Type: application/grpc\r\n", telemetry.MethodHead, true, true},
	} {
		d, _ := decide(table(t, config.Route{}, 0), request(t, tt.line, tt.fields), false)
		if d.Method != tt.method || d.Head != tt.head || d.GRPC != tt.grpc {
			t.Errorf("%s %q: method %v, HEAD %v, gRPC %v; want %v, %v, %v", tt.line, tt.fields, d.Method, d.Head,
				d.GRPC, tt.method, tt.head, tt.grpc)
		}
	}
}

// An upgrade passes where the route allows every protocol that is offered, and the request has no body.
func TestDecideUpgrade(t *testing.T) {
	const offer = "Connection: upgrade\r\nUpgrade: "
	for _, tt := range []struct {
		name    string
		allowed []string
		fields  string
		want    bool
	}{
		{"none is offered", []string{"websocket"}, "", false},
		{"allowed", []string{"websocket"}, offer + "websocket\r\n", true},
		{"in other case", []string{"websocket"}, offer + "WebSocket\r\n", true},
		{"one of several", []string{"websocket", "x"}, offer + "x\r\n", true},
		{"all of several", []string{"websocket", "x"}, offer + "x, websocket\r\n", true},
		{"another one", []string{"websocket"}, offer + "h2c\r\n", false},
		{"not all of several", []string{"websocket"}, offer + "websocket, h2c\r\n", false},
		{"the longer name", []string{"websocket"}, offer + "websocket2\r\n", false},
		{"nothing is allowed", nil, offer + "websocket\r\n", false},
		{"Connection does not name it", []string{"websocket"}, "Upgrade: websocket\r\n", false},
		{"with a body", []string{"websocket"}, offer + "websocket\r\nContent-Length: 1\r\n", false},
		{"with chunks", []string{"websocket"}, offer + "websocket\r\nTransfer-Encoding: chunked\r\n", false},
		{"with an empty body", []string{"websocket"}, offer + "websocket\r\nContent-Length: 0\r\n", true},
	} {
		h := request(t, "GET /", tt.fields)
		d, _ := decide(table(t, config.Route{Upgrades: tt.allowed}, 0), h, false)
		if d.Upgrade != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, d.Upgrade, tt.want)
		}
		for answer, fits := range map[string]bool{string(h.Upgrade): true, "": false, "other": false} {
			if _, several := h.Find("upgrade"); several && message.EqualFold([]byte(answer), "x, websocket") {
				continue // one is to be chosen
			}
			if got := d.Offers(h, []byte(answer)); got != (fits && tt.want && answer != "") {
				t.Errorf("%s: going over to %q: %v", tt.name, answer, got)
			}
		}
	}
}

// A request without an id gets one; an empty or hop-by-hop one is none, and does not go on.
func TestDecideRequestID(t *testing.T) {
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	for _, tt := range []struct {
		name, fields string
		made         bool
		kept         int // fields that go on
	}{
		{"none", "", true, 0},
		{"its own", "X-Request-ID: 7\r\n", false, 1},
		{"empty", "X-Request-ID:\r\n", true, 0},
		{"for this connection only", "Connection: x-request-id\r\nX-Request-ID: 7\r\n", true, 0},
		{"an empty one and its own", "X-Request-ID:\r\nX-Request-ID: 7\r\n", false, 1},
		{"two", "X-Request-ID: 7\r\nX-Request-ID: 8\r\n", false, 2},
	} {
		h := request(t, "GET /", tt.fields)
		d, _ := decide(table(t, config.Route{}, 0), h, false)
		if id := d.ID.Bytes(); uuid.Match(id) != tt.made || (len(id) > 0) != tt.made {
			t.Errorf("%s: id %q, made %v", tt.name, id, tt.made)
		}
		kept := 0
		for i := range h.Fields {
			if f := &h.Fields[i]; f.ID == message.XRequestID && !f.Hop {
				kept++
			}
		}
		if kept != tt.kept {
			t.Errorf("%s: %d fields go on, want %d", tt.name, kept, tt.kept)
		}
	}
}

// What a client says about itself is believed, and goes on, from a trusted proxy only.
func TestDecideClaims(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		h := request(t, "GET /", "Forwarded: for=1\r\nX-Real-IP: 1\r\nX-Forwarded-Port: 1\r\nX-Forwarded-For: "+
			"203.0.113.9\r\nAccept: 1\r\n")
		d, _ := decide(table(t, config.Route{}, 0), h, trusted)
		want := netip.Addr{}
		if trusted {
			want = netip.MustParseAddr("203.0.113.9")
		}
		if d.RemoteIP != want {
			t.Errorf("trusted %v: remote address %v, want %v", trusted, d.RemoteIP, want)
		}
		for i := range h.Fields {
			name := h.Name(&h.Fields[i])
			if got, want := h.Fields[i].Hop, IsClaim(name) && h.Fields[i].ID == message.Other && !trusted; got != want {
				t.Errorf("trusted %v: %s is dropped: %v, want %v", trusted, name, got, want)
			}
		}
	}
}

// The path of a decision is the normalised one, which outlives the workspace once it is detached.
func TestDecidePath(t *testing.T) {
	for target, want := range map[string]string{"/a/../b?x=/../": "/b", "/%61": "/a", "/a": "/a", "*": "*",
		"http://a": ""} {
		method := map[bool]string{true: "OPTIONS ", false: "GET "}[target == "*"]
		h, w := request(t, method+target, ""), new(Workspace)
		var d Decision
		c := &Client{Listener: &Listener{Name: "web"}}
		_ = table(t, config.Route{}, 0).Decide(&d, h, c, begun, w)
		d.Detach()
		clear(w.path[:cap(w.path)])
		got := string(d.Path(h))
		if want == "" {
			want = "/"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

// What a route says about retries, and what it means where it says nothing.
func TestCompileRetry(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config config.Retries
		want   RetryPolicy
	}{
		{"nothing said", config.Retries{}, RetryPolicy{Attempts: 4, Connect: true, Failover: true}},
		{"connect-failure", config.Retries{Attempts: 3, On: []string{"connect-failure"}},
			RetryPolicy{Attempts: 3, Connect: true}},
		{"reset", config.Retries{Attempts: 3, On: []string{"reset"}},
			RetryPolicy{Attempts: 3, Reset: true, Replays: true}},
		{"timeout", config.Retries{Attempts: 3, On: []string{"timeout"}},
			RetryPolicy{Attempts: 3, Timeout: true, Replays: true}},
		{"unavailable", config.Retries{Attempts: 3, On: []string{"unavailable"}},
			RetryPolicy{Attempts: 3, Unavailable: true, Replays: true}},
		{"one attempt", config.Retries{Attempts: 1, On: []string{"reset", "503"}},
			RetryPolicy{Attempts: 1, Reset: true}},
		{"a status", config.Retries{Attempts: 2, On: []string{"503"}}, RetryPolicy{Attempts: 2, Replays: true}},
		{"per try", config.Retries{Attempts: 2, On: []string{"connect-failure"}, PerTryTimeout: 7},
			RetryPolicy{Attempts: 2, Connect: true, PerTry: 7}},
	} {
		got := compileRetry(&tt.config)
		for _, status := range []int{500, 502, 503, 504} {
			want := false
			for _, on := range tt.config.On {
				want = want || on == "503" && status == 503
			}
			if got.OnStatus(status) != want {
				t.Errorf("%s: on %d %v, want %v", tt.name, status, !want, want)
			}
		}
		got.statuses = nil
		if g, w := got, tt.want; g.Attempts != w.Attempts || g.Connect != w.Connect || g.Reset != w.Reset ||
			g.Timeout != w.Timeout ||
			g.Unavailable != w.Unavailable || g.PerTry != w.PerTry || g.Failover != w.Failover ||
			g.Replays != w.Replays {
			t.Errorf("%s: %+v, want %+v", tt.name, g, w)
		}
	}
}
