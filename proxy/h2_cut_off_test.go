package proxy_test

import (
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// An HTTP/2 connection is closed in the middle of a body, in good order as far as TCP goes. The other side must see
// that the body is not whole. The first exchange of a connection to an endpoint is carried by a goroutine, the next
// one by the relay.
func TestBodyCutOffByTheEndOfAnHTTP2Connection(t *testing.T) {
	t.Run("response, to HTTP/1.1", func(t *testing.T) {
		e := listen(t)
		g := start(t, clustered("", "protocol: http2", e.addr))
		c := g.dial()
		c.send(get("/"))
		up := e.accept2()
		id := up.Any().StreamID
		up.Head(id, false, ":status", "200")
		up.Must(up.WriteData(id, false, []byte("half")))
		c.head()
		c.expect("4\r\nhalf\r\n")
		up.w.finish()
		if got := rawRest(c); strings.Contains(got, "0\r\n\r\n") {
			t.Errorf("the client got %q, which looks whole", got)
		}
		g.counted(telemetry.UC, 1)
	})
	t.Run("response, first to HTTP/2", func(t *testing.T) {
		e := listen(t)
		g := start(t, clustered("", "protocol: http2", e.addr))
		down := g.dial2()
		down.Ask(1, true, "GET", "/")
		up := e.accept2()
		responseCutOff(g, down, up, 1)
	})
	t.Run("response, relayed", func(t *testing.T) {
		g, _, down, up := relaying(t, "")
		down.Ask(3, true, "GET", "/")
		responseCutOff(g, down, up, 3)
	})
	t.Run("request, to HTTP/1.1", func(t *testing.T) {
		e := listen(t)
		g := start(t, to(e.addr))
		down := g.dial2()
		down.Ask(1, false, "POST", "/")
		down.Must(down.WriteData(1, false, []byte("half")))
		up := e.accept()
		up.head()
		up.expect("4\r\nhalf\r\n")
		down.w.finish()
		if got := rawRest(up); got != "" {
			t.Errorf("the endpoint got %q more, want the end of the connection", got)
		}
		g.counted(telemetry.DC, 1)
	})
	t.Run("request, first to HTTP/2", func(t *testing.T) {
		e := listen(t)
		g := start(t, clustered("", "protocol: http2", e.addr))
		down := g.dial2()
		down.Ask(1, false, "POST", "/")
		down.Must(down.WriteData(1, false, []byte("half")))
		up := e.accept2()
		requestCutOff(g, down, up)
	})
	t.Run("request, relayed", func(t *testing.T) {
		g, _, down, up := relaying(t, "")
		down.Ask(3, false, "POST", "/")
		down.Must(down.WriteData(3, false, []byte("half")))
		requestCutOff(g, down, up)
	})
}

// responseCutOff has the endpoint end its connection in the middle of its response to the stream.
func responseCutOff(g *gateway, down, up *frames, stream uint32) {
	g.t.Helper()
	id := up.Any().StreamID
	up.Head(id, false, ":status", "200")
	up.Must(up.WriteData(id, false, []byte("half")))
	down.Answer(stream, "200")
	down.Text(stream, "half")
	up.w.finish()
	down.Reset(stream, http2.ErrCodeInternal)
	g.counted(telemetry.UC, 1)
}

// requestCutOff has the client end its connection in the middle of its request.
func requestCutOff(g *gateway, down, up *frames) {
	g.t.Helper()
	id := up.Any().StreamID
	up.Text(id, "half")
	down.w.finish()
	up.Reset(id, http2.ErrCodeCancel)
	g.counted(telemetry.DC, 1)
}
