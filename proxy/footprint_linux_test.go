//go:build !race

package proxy_test

import (
	"runtime"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A connection between two requests costs a few small structs, and those of package os once it has been used for
// several. (The race detector needs memory of its own.)
func TestFootprintIdle(t *testing.T) {
	for _, row := range []struct {
		name              string
		requests, ceiling int
	}{{"after one request", 1, 600}, {"after several", 4, 740}} {
		t.Run(row.name, func(t *testing.T) {
			if !testgateway.Apart(t) {
				return
			}
			const n = 900
			g := start(t, to(plainEndpoint(t, ok(""))))
			s := testgateway.NewSockets(t)
			request, response := []byte(get("/")), make([]byte, len(ok("")))
			connection := func() {
				c := s.Dial(g.addr)
				for range row.requests {
					s.Send(c, request)
					s.Fill(c, response)
				}
			}
			connection()
			g.parked(1)
			before := testgateway.Heap()
			for range n {
				connection()
			}
			g.parked(1 + n)
			g.fewGoroutines()
			testgateway.WantFootprint(t, testgateway.Heap, before, n, row.ceiling)
		})
	}
}

// A request that waits for its endpoint, with both of its connections, which are parked.
func TestFootprintWaiting(t *testing.T) {
	if !testgateway.Apart(t) {
		return
	}
	const n = 900
	s := testgateway.NewSockets(t)
	_, address := s.Listen(2 * n)
	g := start(t, clustered("timeouts: {upstream: 0s}", "", address))
	request := []byte(get("/"))
	s.Send(s.Dial(g.addr), request)
	g.parked(2)
	before := testgateway.Heap()
	for range n {
		s.Send(s.Dial(g.addr), request)
	}
	g.parked(2 * (1 + n))
	g.fewGoroutines()
	testgateway.WantFootprint(t, testgateway.Heap, before, n, 5100)
}

// inFlight waits until the endpoints of app have so many requests.
func (g *gateway) inFlight(n int64) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "requests in flight", func() bool { return g.Clusters["app"].InFlight() == n })
}

// fewGoroutines waits until the workers that are not needed any more have ended.
func (g *gateway) fewGoroutines() {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "few goroutines", func() bool { return runtime.NumGoroutine() < 100 })
}

// A stream of HTTP/2 that waits for its endpoint.
func TestFootprintStream(t *testing.T) {
	const conns, streams = 8, 100
	for _, way := range []struct {
		name, protocol, route string
		parked                bool
		ceiling               int
	}{
		{"to h1", "http1", "", true, 6000},
		{"to h2", "http2", `retries: {on: ["503"]}`, false, 10500}, // it has a goroutine
		{"relayed", "http2", "", false, 1700},
	} {
		t.Run(way.name, func(t *testing.T) {
			if !testgateway.Apart(t) {
				return
			}
			_, address := testgateway.NewSockets(t).Listen(2 * conns * streams)
			if way.protocol == "http2" {
				address = silentEndpoint(t, way.protocol, 2*conns*streams)
			}
			g := start(t, clustered(way.route, "protocol: "+way.protocol, address))
			var all []*frames
			for i := range conns {
				c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
				c.Ask(1, true, "GET", "/")
				g.inFlight(int64(i + 1))
				c.Sync()
				all = append(all, c)
			}
			live := testgateway.HeapAndStacks
			if way.parked {
				live = testgateway.Heap
			}
			before := live()
			for _, c := range all {
				for i := range streams {
					c.Ask(uint32(3+2*i), true, "GET", "/")
				}
				c.Sync()
			}
			g.inFlight(conns * (1 + streams))
			if way.parked {
				g.parked(conns * (1 + streams))
				g.fewGoroutines()
			}
			testgateway.WantFootprint(t, live, before, conns*streams, way.ceiling)
		})
	}
}
