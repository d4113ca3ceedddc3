//go:build !race

package proxy_test

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A connection between two requests costs a few small structs. (The race detector needs memory of its own.)
func TestFootprintIdle(t *testing.T) {
	if !testgateway.Apart(t) {
		return
	}
	const n = 900
	g := start(t, to(plainEndpoint(t, ok(""))))
	s := testgateway.NewSockets(t)
	request, response := []byte(get("/")), make([]byte, len(ok("")))
	exchange := func() {
		c := s.Dial(g.addr)
		s.Send(c, request)
		s.Fill(c, response)
	}
	exchange()
	g.parked(1)
	before := testgateway.Live()
	for range n {
		exchange()
	}
	g.parked(1 + n)
	testgateway.WantFootprint(t, before, n, 1300)
}

// A request that waits for its endpoint, with both of its connections.
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
	g.inFlight(1)
	before := testgateway.Live()
	for range n {
		s.Send(s.Dial(g.addr), request)
	}
	g.inFlight(1 + n)
	testgateway.WantFootprint(t, before, n, 10200)
}

// inFlight waits until the endpoints of app have so many requests.
func (g *gateway) inFlight(n int64) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "requests in flight", func() bool { return g.Clusters["app"].InFlight() == n })
}

// A stream of HTTP/2 that waits for its endpoint.
func TestFootprintStream(t *testing.T) {
	const conns, streams = 8, 100
	for _, way := range []struct {
		name, protocol, route string
		ceiling               int
	}{
		{"to h1", "http1", "", 10500},
		{"to h2", "http2", `retries: {on: ["503"]}`, 10500}, // it has a goroutine
		{"relayed", "http2", "", 1700},
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
			before := testgateway.Live()
			for _, c := range all {
				for i := range streams {
					c.Ask(uint32(3+2*i), true, "GET", "/")
				}
				c.Sync()
			}
			g.inFlight(conns * (1 + streams))
			testgateway.WantFootprint(t, before, conns*streams, way.ceiling)
		})
	}
}
