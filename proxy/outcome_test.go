package proxy_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// failures is how often in a row the first endpoint has failed, once the n requests so far have ended.
func (g *gateway) failures(n int64) int {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "requests to end", func() bool { return g.registry.Route("all").Requests() == n })
	return g.set.Status()[0].Endpoints[0].Passive.Failures
}

// How long a client is ready to wait says nothing about the endpoint; how long the route lets it take does.
func TestClientsDeadlineIsNoFailureOfTheEndpoint(t *testing.T) {
	together(t)
	const call = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\nGrpc-Timeout: "
	const began = "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
	for _, tt := range []struct {
		name, options, request, answer string
		want                           int
	}{
		{"the client's, before the answer", "", call + "200m\r\n\r\n", "", 0},
		{"the client's, inside the answer", "", call + "200m\r\n\r\n", began, 0},
		{"the client's, shorter than the route's", "timeouts: {request: 9s}", call + "200m\r\n\r\n", "", 0},
		{"the route's, before the answer", "timeouts: {request: 200ms}", get("/"), "", 1},
		{"the route's, inside the answer", "timeouts: {request: 200ms}", get("/"), began, 1},
		{"the route's, shorter than the client's", "timeouts: {request: 200ms}", call + "9S\r\n\r\n", "", 1},
		{"the route's for the head of the answer", "timeouts: {upstream: 200ms}", call + "9S\r\n\r\n", "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := listen(t)
			g := start(t, routed(e.addr, tt.options))
			c := g.dial()
			c.send(tt.request)
			e.accept().serve(tt.answer)
			if tt.answer != "" {
				c.head()
				c.broken()
			} else if res, _ := c.response("POST"); res.StatusCode != 504 && res.Header.Get("Grpc-Status") != "4" {
				t.Errorf("answer = %d %v, want a timeout", res.StatusCode, res.Header)
			}
			if n := g.failures(1); n != tt.want {
				t.Errorf("%d failures of the endpoint, want %d", n, tt.want)
			}
			if n := g.faults(telemetry.UT); n != 1 {
				t.Errorf("faults UT = %d, want 1", n)
			}
			if why := g.set.Status()[0].Endpoints[0].Passive.LastError; (why != "") != (tt.want > 0 &&
				tt.answer == "") {
				t.Errorf("last error of the endpoint = %q", why)
			}
		})
	}
}

// An endpoint has the same deadline by grpc-timeout, and breaks off when it is over: whoever of the two is first.
func TestEndpointThatKeepsTheClientsDeadline(t *testing.T) {
	up := script(t, func(w *wire) {
		if _, err := readHead(w.r); err == nil {
			pass(short)
			w.reset()
		}
	})
	g := start(t, to(up))
	res, _ := g.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: " +
		"0\r\nGrpc-Timeout: 200m\r\n\r\n")
	if res.Header.Get("Grpc-Status") != "4" {
		t.Errorf("answer = %v, want a timeout", res.Header)
	}
	if n := g.failures(1); n != 0 {
		t.Errorf("%d failures of the endpoint, want none", n)
	}
}

// Waiting too long at a limit of the gateway's own is no failure of the endpoint, however short the wait was to be.
func TestWaitAtALimitIsNoFailureOfTheEndpoint(t *testing.T) {
	for _, options := range []string{"timeouts: {request: 200ms}", "retries: {on: [timeout], per_try_timeout: 200ms}"} {
		t.Run(options, func(t *testing.T) {
			e := listen(t)
			g := start(t, timeouts()+"routes:\n- {name: long, match: {path_prefix: /long}, cluster: app}\n"+
				strings.TrimPrefix(clustered(options, "limits: {max_connections: 1}", e.addr), "routes:\n"))
			long := g.dial()
			long.send(get("/long"))
			up := e.accept()
			up.head()
			if res, body := g.ask(get("/")); res.StatusCode != 503 || body != "upstream limit reached\n" {
				t.Errorf("answer = %d %q, want 503", res.StatusCode, body)
			}
			if n := g.failures(1); n != 0 {
				t.Errorf("%d failures of the endpoint, want none", n)
			}
			if n := g.faults(telemetry.UO); n != 1 {
				t.Errorf("faults UO = %d, want 1", n)
			}
			up.send(ok(""))
			long.status(200)
		})
	}
}

// A request whose time is up before it could be sent says nothing about the endpoint it would have gone to.
func TestRequestThatIsTooLateIsNoFailureOfTheEndpoint(t *testing.T) {
	e := listen(t)
	g := start(t, routed(e.addr, "timeouts: {request: 1ms}"))
	c := g.dial()
	c.send("GET / HTTP/1.1\r\n")
	pass(50 * time.Millisecond)
	c.send("Host: a\r\n\r\n")
	c.status(504)
	if n := g.failures(1); n != 0 {
		t.Errorf("%d failures of the endpoint, want none", n)
	}
	e.unused()
}

// The probe of an ejected endpoint may be an answer that lasts for hours: once it has lasted for a moment, the
// endpoint is back.
func TestLongAnswerProvesTheEndpoint(t *testing.T) {
	together(t)
	for _, tt := range []struct {
		name, status string
		back         bool
	}{
		{"good", "200 OK", true},
		{"an error", "500 No", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, other := listen(t), listen(t)
			g := start(t, clustered("", "passive_health: {consecutive_failures: 1, base_ejection: 50ms, "+
				"max_ejection: 50ms}", e.addr, other.addr))
			defer g.tick()()
			c := g.dial()
			c.send(get("/"))
			e.accept().serve("HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			c.status(500)
			g.passive(0, "probing")
			probe := g.probe(e, other)
			begun := time.Now()
			probe.send("HTTP/1.1 " + tt.status + "\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
			if tt.back {
				g.passive(0, "healthy")
			} else {
				pass(1200 * time.Millisecond)
				g.passive(0, "probing")
			}
			if d := time.Since(begun); d < 900*time.Millisecond {
				t.Errorf("the endpoint was believed after %v, want about a second", d)
			}
			probe.send("0\r\n\r\n")
		})
	}
}

// passive waits until passive health has an endpoint in that state.
func (g *gateway) passive(endpoint int, want string) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "endpoint "+want,
		func() bool { return g.set.Status()[0].Endpoints[endpoint].Passive.State == want })
}

// probe asks until the ejected endpoint e is asked, and returns its side of that request.
func (g *gateway) probe(e, other *endpoint) *wire {
	g.t.Helper()
	for range 100 {
		c := g.dial()
		c.send(get("/"))
		select {
		case nc := <-e.conns:
			up := newWire(g.t, nc)
			up.head()
			return up
		case nc := <-other.conns:
			up := newWire(g.t, nc)
			up.serve("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			c.status(200)
			up.Close()
		case <-time.After(patience):
			g.t.Fatal("no endpoint was asked")
		}
	}
	g.t.Fatal("the ejected endpoint was not probed")
	return nil
}

// The statuses that the cluster names count against an endpoint, and no others, whoever carries the request.
func TestFailureStatusesVersions(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if code := r.URL.Query().Get("grpc"); code != "" {
			w.Header().Set("Content-Type", "application/grpc")
			w.Header().Set("Grpc-Status", code)
		}
		status, _ := strconv.Atoi(r.URL.Path[1:])
		w.WriteHeader(status)
	}
	protocols := []string{"http1", "http2"}
	for _, tt := range []struct {
		name, statuses, fails, passes string
	}{
		{"by default", "", "500 503 200?grpc=14", "429 404 200?grpc=8"},
		{"chosen", `["5xx", "429"]`, "500 503 429 200?grpc=14 200?grpc=8", "404 200"},
		{"one", "[429]", "429 200?grpc=8", "500 503 200?grpc=14"},
		{"none", "[]", "", "429 503 200?grpc=14"},
	} {
		for _, route := range []string{"", `retries: {attempts: 2, on: ["503", unavailable]}`} {
			for i := range 4 {
				down, up := i%2, i/2
				t.Run(fmt.Sprint(tt.name, " ", protocols[down], " to ", protocols[up], " ", route), func(t *testing.T) {
					cluster := "protocol: " + protocols[up]
					if tt.statuses != "" {
						cluster += ", passive_health: {statuses: " + tt.statuses + "}"
					}
					g := start(t, clustered(route, cluster, versionBackend(t, up == 1, handler)))
					countFailures(t, g, versionClient(t, down == 1), tt.fails, tt.passes)
				})
			}
		}
	}
}

// countFailures asks for what fails and what passes, which are words, and looks whether that is a failure.
func countFailures(t *testing.T, g *gateway, c *http.Client, fails, passes string) {
	t.Helper()
	requests := int64(0)
	ask := func(what string) (failures int) {
		t.Helper()
		req, err := http.NewRequest("GET", "http://"+g.addr+"/"+what, nil)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(what, "grpc") {
			req.Header.Set("Content-Type", "application/grpc")
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		requests++
		return g.failures(requests)
	}
	for what := range strings.FieldsSeq(fails) {
		ask("200")
		if ask(what) == 0 {
			t.Errorf("%s is no failure, want one", what)
		}
	}
	ask("200")
	for what := range strings.FieldsSeq(passes) {
		if ask(what) > 0 {
			t.Errorf("%s is a failure, want none", what)
		}
	}
}
