package proxy_test

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testpeer"
)

// frames is one end of an HTTP/2 connection with the gateway: a client's, or an endpoint's.
type frames struct {
	*testpeer.Peer
	w *wire
	t testing.TB
}

// dial2 connects to the gateway by prior knowledge.
func (g *gateway) dial2(settings ...http2.Setting) *frames {
	g.t.Helper()
	w := g.dial()
	return &frames{testpeer.Client(g.t, w.r, w, settings...), w, g.t}
}

// accept2 waits for the gateway's next connection, which must be of HTTP/2.
func (e *endpoint) accept2(settings ...http2.Setting) *frames {
	e.t.Helper()
	w := e.accept()
	return &frames{testpeer.Server(e.t, w.r, w, settings...), w, e.t}
}

// values are the values of a field, in order.
func values(h *http2.MetaHeadersFrame, name string) (v []string) {
	for _, f := range h.Fields {
		if f.Name == name {
			v = append(v, f.Value)
		}
	}
	return v
}

// relaying is a gateway between a client and an endpoint that speak HTTP/2 frame by frame, with one exchange behind
// them. So the next ones need no connection to be made. Stream 3 is the client's next.
func relaying(t *testing.T, route string, settings ...http2.Setting) (g *gateway, e *endpoint, down, up *frames) {
	t.Helper()
	e = listen(t)
	g = start(t, clustered(route, "protocol: http2", e.addr))
	down = g.dial2(settings...)
	down.Ask(1, true, "GET", "/first")
	up = e.accept2()
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")
	return g, e, down, up
}
