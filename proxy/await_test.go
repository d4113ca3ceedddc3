package proxy_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// unknown is a document with one route to the cluster app, of which the catalog has said nothing yet. The options are of
// the route and of the cluster; connect is timeouts.connect.
func unknown(route, cluster, connect string) string {
	return "routes:\n- {name: all, match: {path_prefix: /}, cluster: app" + comma(route) + "}\n" +
		"clusters:\n- {name: app, consul: {service: app}" + comma(cluster) + "}\n" +
		"timeouts: {connect: " + connect + "}\n"
}

func comma(options string) string {
	if options == "" {
		return ""
	}
	return ", " + options
}

// long is a timeouts.connect that no test waits for.
const long = "60s"

// later sends a request and returns when it waits for the endpoints of the cluster app; the function returned reads the
// response.
func (g *gateway) later(c *http.Client, method, body string) func() (code int, text string) {
	g.t.Helper()
	type answer struct {
		code int
		text string
	}
	out := make(chan answer, 1)
	before := g.Clusters["app"].Status().Awaiting
	go func() {
		var r io.Reader
		if body != "" {
			r = strings.NewReader(body)
		}
		req, err := http.NewRequestWithContext(g.t.Context(), method, "http://"+g.addr+"/", r)
		if err != nil {
			g.t.Error(err)
		}
		res, err := c.Do(req)
		if err != nil {
			out <- answer{0, err.Error()}
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body) // what is missing is seen
		out <- answer{res.StatusCode, string(b)}
	}()
	g.Awaits("app", before+1)
	return func() (int, string) { a := <-out; return a.code, a.text }
}

// A request to a cluster of which nothing is known waits for the endpoints, in each pair of versions, with a body and
// without.
func TestRequestsWaitForEndpoints(t *testing.T) {
	var app string
	eachPair(t, func(addr func(string) string, protocol string) string {
		app = addr("app")
		return unknown("", "protocol: "+protocol, long)
	}, func(t *testing.T, g *gateway, c *http.Client) {
		first, second := g.later(c, "GET", ""), g.later(c, "POST", strings.Repeat("x", 100_000))
		g.Says("app", app)
		for _, answer := range []func() (int, string){first, second} {
			if code, text := answer(); code != 200 || text != "app" {
				t.Errorf("answered with %d %q", code, text)
			}
		}
		if n := g.faults(telemetry.UH); n != 0 {
			t.Errorf("%d requests found no endpoint", n)
		}
		g.Awaits("app", 0)
	})
}

// What ends the wait but an endpoint.
func TestRequestsWaitInBounds(t *testing.T) {
	together(t)
	for _, tt := range []struct {
		name            string
		route, connect  string
		then            func(g *gateway)
		code            int
		text            string
		flag            telemetry.Flag
		atLeast, atMost time.Duration
	}{
		{"the time for connecting", "", "300ms", nil, 503, "no healthy upstream\n", telemetry.UH,
			300 * time.Millisecond, 2 * time.Second},
		{"the deadline", "timeouts: {request: 300ms}", long, nil, 504, "upstream timeout\n", telemetry.UT,
			300 * time.Millisecond, 2 * time.Second},
		{"there is none", "", long, func(g *gateway) { g.Says("app") }, 503, "no healthy upstream\n", telemetry.UH, 0,
			2 * time.Second},
		{"a revision without the cluster", "", long, func(g *gateway) { g.apply(to("127.0.0.1:1")) }, 503,
			"no healthy upstream\n", telemetry.UH, 0, 2 * time.Second},
	} {
		for _, h2 := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", HTTP/2", false: ", HTTP/1.1"}[h2], func(t *testing.T) {
				t.Parallel()
				log := newLog(t)
				g := start(t, unknown(tt.route, "", tt.connect), log.use)
				begun := time.Now()
				answer := g.later(versionClient(t, h2), "GET", "")
				if tt.then != nil {
					tt.then(g)
				}
				if code, text := answer(); code != tt.code || text != tt.text {
					t.Errorf("answered with %d %q, want %d %q", code, text, tt.code, tt.text)
				}
				if took := time.Since(begun); took < tt.atLeast || took > tt.atMost {
					t.Errorf("answered after %v, want %v to %v", took, tt.atLeast, tt.atMost)
				}
				l := log.lines(1)[0]
				if l["flag"] != tt.flag.String() || l["cluster"] != "app" || l["attempts"] != 0.0 {
					t.Errorf("logged %v", l)
				}
			})
		}
	}
}

// The client goes away, or the gateway cuts what is left: nobody waits any more, and the endpoint never hears of it.
func TestRequestsWaitForNobodyElse(t *testing.T) {
	together(t)
	for _, tt := range []struct {
		name string
		flag telemetry.Flag
		end  func(t *testing.T, g *gateway)
	}{
		{"reset", telemetry.DC, func(t *testing.T, g *gateway) {
			c := g.dial()
			c.send(get("/"))
			g.Awaits("app", 1)
			c.reset()
		}},
		{"half-closed for long", telemetry.DC, func(t *testing.T, g *gateway) {
			c := g.dial()
			c.send(get("/"))
			g.Awaits("app", 1)
			c.finish()
			c.ended()
		}},
		{"stream reset", telemetry.DC, func(t *testing.T, g *gateway) {
			c := g.dial2()
			c.Ask(1, true, "GET", "/")
			g.Awaits("app", 1)
			c.Must(c.WriteRSTStream(1, 8))
			c.Sync()
		}},
		{"client of HTTP/2 gone", telemetry.DC, func(t *testing.T, g *gateway) {
			c := g.dial2()
			c.Ask(1, true, "GET", "/")
			g.Awaits("app", 1)
			c.w.Close()
		}},
		{"the end of the drain", telemetry.LR, func(t *testing.T, g *gateway) {
			c := g.dial()
			c.send(get("/"))
			g.Awaits("app", 1)
			g.drain(time.Millisecond)
			c.ended()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g := start(t, unknown("", "", long))
			tt.end(t, g)
			g.counted(tt.flag, 1)
			g.Awaits("app", 0)
			g.Says("app", e.addr)
			e.unused()
		})
	}
}

// Nobody waits where the catalog has said that there is nothing, nor while it has lost what it had.
func TestRequestsDoNotWaitWhereNothingIs(t *testing.T) {
	g := start(t, strings.Replace(unknown("", "", long), "service: app", "service: app, empty_hold: 0s", 1))
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {})
	for _, say := range [][]string{nil, {app}, nil} {
		g.Says("app", say...)
		begun := time.Now()
		res, _ := g.ask(get("/"))
		if want := map[bool]int{true: 503, false: 200}[say == nil]; res.StatusCode != want {
			t.Errorf("answered with %d, want %d", res.StatusCode, want)
		}
		if took := time.Since(begun); took > patience/2 {
			t.Errorf("answered after %v", took)
		}
	}
}

// Requests outlive a revision in which the cluster has another name, filter or protocol.
func TestRequestsWaitOverRevisions(t *testing.T) {
	for _, next := range []string{
		unknown("", "", "5s"),
		unknown("", "protocol: http2", long),
		strings.ReplaceAll(unknown("", "", long), "service: app", "service: app, only_passing: true"),
		strings.NewReplacer("cluster: app", "cluster: b", "name: app", "name: b").Replace(unknown("", "", long)),
	} {
		g := start(t, unknown("", "", long))
		answer := g.later(versionClient(t, false), "GET", "")
		g.apply(next)
		for name := range g.Clusters {
			g.Says(name, namedBackend(t, false, "app"))
		}
		if code, text := answer(); code != 200 || text != "app" {
			t.Errorf("answered with %d %q after a revision with\n%s", code, text, next)
		}
	}
}

// Where others stand in, whichever is known first takes the requests; each has a place in its queue.
func TestRequestsWaitForWhatStandsIn(t *testing.T) {
	log := newLog(t)
	document := unknown("", "failover: [spare], balance: hash, hash: {cookie: {name: first}}", long)
	document = strings.Replace(document, "timeouts:", "- {name: spare, consul: {service: spare}, balance: hash, "+
		"hash: {cookie: {name: second}}}\ntimeouts:", 1)
	g := start(t, document, log.use, func(o *proxy.Options) {
		o.Queue = proxy.Queue{Cluster: "app", Concurrency: 1, Timeout: patience}
	})
	clients := []*wire{g.dial(), g.dial()}
	for _, c := range clients {
		c.send(get("/"))
	}
	g.Awaits("app", 2) // the place is nobody's while they wait
	g.Says("app")
	g.Awaits("app", 2)
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://a/"}, config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	if s := e.Clusters[0]; !s.Unknown || s.Awaiting != 2 {
		t.Errorf("explained as %+v, want two requests that wait", s)
	}
	g.Says("spare", namedBackend(t, false, "spare"))
	for _, c := range clients {
		res, text := c.response("GET")
		if res.StatusCode != 200 || text != "spare" {
			t.Errorf("answered with %d %q", res.StatusCode, text)
		}
		if made := res.Header.Values("Set-Cookie"); len(made) != 1 || !strings.HasPrefix(made[0], "second=") {
			t.Errorf("cookies = %q, want that of the cluster that stands in", made)
		}
	}
	for _, l := range log.lines(2) {
		if l["cluster"] != "spare" {
			t.Errorf("logged %v", l)
		}
	}
	g.Awaits("app", 0)
}

// A call of gRPC is told that there is nobody, with the status that has clients of gRPC try again.
func TestCallsWaitForEndpoints(t *testing.T) {
	g := start(t, unknown("", "protocol: http2", "100ms"))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+g.addr+"/a.B/C", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	res, err := versionClient(t, true).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Grpc-Status"); res.StatusCode != 200 || got != "14" {
		t.Errorf("answered with %d and the status %q, want 14", res.StatusCode, got)
	}
}
