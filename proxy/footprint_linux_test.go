//go:build !race

package proxy_test

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A connection between two requests costs a few small structs, and those of package os once it has been used for
// several. From the third wait on, a goroutine waits in the runtime's poller for a while. (The race detector needs
// memory of its own.)
func TestFootprintIdle(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name              string
		requests, ceiling int
	}{{"after one request", 1, 600}, {"after several", 3, 740}} {
		t.Run(row.name, func(t *testing.T) {
			if !testgateway.Apart(t) {
				return
			}
			g := start(t, to(plainEndpoint(t, ok(""))))
			s := testgateway.NewSockets(t)
			request, response := []byte(get("/")), make([]byte, len(ok("")))
			var begun []int
			connection := func() { begun = append(begun, s.Dial(g.addr)) }
			// No connection has its next request before all wait for one: else it would not have to wait.
			settled := func(n int) {
				for range row.requests {
					for _, c := range begun {
						s.Send(c, request)
						s.Fill(c, response)
					}
					g.parked(n)
				}
				begun = begun[:0]
			}
			testgateway.Footprint{Heap: row.ceiling}.Measure(t, 900, connection, settled)
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
	testgateway.Footprint{Heap: 5000}.Measure(t, n,
		func() { s.Send(s.Dial(g.addr), request) },
		func(n int) { g.parked(2 * n) })
}

// inFlight waits until the endpoints of app have so many requests.
func (g *gateway) inFlight(n int64) {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "requests in flight", func() bool { return g.Clusters["app"].InFlight() == n })
}

// A stream of HTTP/2 that waits for its endpoint.
func TestFootprintStream(t *testing.T) {
	t.Parallel()
	const conns, streams = 8, 75 // with those of the first batch fewer than a client may open
	for _, way := range []struct {
		name, protocol, route string
		parked                bool
		each                  testgateway.Footprint
	}{
		{"to h1", "http1", "", true, testgateway.Footprint{Heap: 5100}},
		{"to h2", "http2", `retries: {on: ["503"]}`, false,
			testgateway.Footprint{Heap: 5900, Goroutines: 1, Stack: 4096}},
		{"relayed", "http2", "", false, testgateway.Footprint{Heap: 1650}},
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
			var all [conns]*frames
			for i := range all {
				all[i] = g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			}
			begun := 0
			way.each.Measure(t, conns*streams, func() {
				all[begun%conns].Ask(uint32(1+2*(begun/conns)), true, "GET", "/")
				begun++
			}, func(n int) {
				for _, c := range all {
					c.Sync()
				}
				g.inFlight(int64(n))
				if way.parked {
					g.parked(n)
				}
			})
		})
	}
}

// A tunnel through which nothing comes for now, with both of its connections and the two goroutines that wait. One of
// their stacks has 4 KiB, the other one 2.
func TestFootprintTunnel(t *testing.T) {
	if !testgateway.Apart(t) {
		return
	}
	flowing(t, testgateway.Footprint{Heap: 6500, Goroutines: 2, Stack: 3072}, 900, upgrade, switched, answered,
		func(g *gateway, n int) { g.inFlight(int64(n)) })
}

// A response of which the next part is waited for, such as the next event, with both of its connections.
func TestFootprintSilent(t *testing.T) {
	if !testgateway.Apart(t) {
		return
	}
	const response = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"10\r\ndata: 0123456789\r\n"
	flowing(t, testgateway.Footprint{Heap: 5000}, 150, get("/"), response, response,
		func(g *gateway, n int) { g.parked(2 * n) })
}

// The same while the rest of the request is waited for too: with two goroutines, one for each direction.
func TestFootprintBothWays(t *testing.T) {
	if !testgateway.Apart(t) {
		return
	}
	const request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"
	const sent = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
	const received = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhalf"
	flowing(t, testgateway.Footprint{Heap: 6500, Goroutines: 2, Stack: 4096}, 900, request, sent, received,
		func(g *gateway, n int) { g.inFlight(int64(n)) })
}

// flowing measures what follows a response: the endpoint sends it, and the client receives it.
func flowing(t *testing.T, f testgateway.Footprint, n int, request, sent, received string,
	settled func(g *gateway, n int),
) {
	t.Helper()
	s := testgateway.NewSockets(t)
	listening, address := s.Listen(2 * n)
	g := start(t, clustered("timeouts: {upstream: 0s}", "", address))
	buf := make([]byte, len(received))
	f.Measure(t, n, func() {
		c := s.Dial(g.addr)
		s.Send(c, []byte(request))
		s.Send(s.Accept(listening), []byte(sent))
		s.Fill(c, buf)
		if string(buf) != received {
			t.Fatalf("the client has %q, want %q", buf, received)
		}
	}, func(n int) { settled(g, n) })
}
