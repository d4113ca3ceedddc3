package proxy_test

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// relayingWithin is relaying with time limits of the document, and settings of both sides.
func relayingWithin(t *testing.T, timeouts, route string, ofClient, ofEndpoint []http2.Setting,
	options ...func(*proxy.Options)) (g *gateway, down, up *frames) {
	t.Helper()
	e := listen(t)
	g = start(t, "timeouts: {"+timeouts+"}\n"+clustered(route, "protocol: http2", e.addr), options...)
	down = g.dial2(ofClient...)
	down.Ask(1, true, "GET", "/first")
	up = e.accept2(ofEndpoint...)
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")
	return g, down, up
}

// tiny is a window that a short text does not go through.
func tiny() []http2.Setting {
	return []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 2}}
}

// A client that is silent inside its body for too long is answered, as over HTTP/1.1. A caller of gRPC is not, and
// neither is one whose body the endpoint does not take. The same goes for one that waits to be asked, and for one that
// has its response.
func TestRelayedBodyThatIsSlow(t *testing.T) {
	together(t)
	// The peers must be in time themselves, also on a busy machine: five times what they wait for is theirs to be late.
	const silence = 5 * short
	limit := "read: " + silence.String()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		g, down, up := relayingWithin(t, limit, "", nil, nil)
		down.Ask(3, false, "POST", "/")
		id := up.Any().StreamID
		for range 3 {
			pass(silence / 2)
			down.Must(down.WriteData(3, false, []byte("x")))
			up.Text(id, "x")
		}
		down.Answer(3, "408")
		up.Reset(id, http2.ErrCodeCancel)
		g.counted(telemetry.DPE, 1)
		if n := g.set.Status()[0].Endpoints[0].Passive.Failures; n != 0 {
			t.Errorf("%d failures of the endpoint, want none", n)
		}
	})
	for _, tt := range []struct {
		name, field, value string
		window             []http2.Setting
		before             string
	}{
		{"gRPC", "content-type", "application/grpc", nil, ""},
		{"endpoint that takes nothing", "x-y", "z", tiny(), ""},
		{"client that waits to be asked", "expect", "100-continue", nil, ""},
		{"client that has its answer", "x-y", "z", nil, "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, down, up := relayingWithin(t, limit, "", nil, tt.window)
			down.Ask(3, false, "POST", "/", tt.field, tt.value)
			id := up.Any().StreamID
			if tt.before != "" {
				up.Head(id, false, ":status", tt.before)
				down.Answer(3, tt.before)
			}
			if tt.field != "expect" {
				down.Must(down.WriteData(3, false, []byte("text")))
			}
			pass(2 * silence)
			if tt.window != nil {
				up.Text(id, "te")
				up.Must(up.WriteWindowUpdate(id, 100))
				up.Text(id, "xt")
			} else if tt.field != "expect" {
				up.Text(id, "text")
			}
			down.Must(down.WriteData(3, true, []byte("end")))
			up.Text(id, "end")
			if tt.before == "" {
				up.Head(id, true, ":status", "204")
				down.Answer(3, "204")
			}
			if n := g.faults(telemetry.DPE); n != 0 {
				t.Errorf("faults DPE = %d, want none", n)
			}
		})
	}
}

// The time that an endpoint may be silent does not run while it is the client that holds it up.
func TestRelayedAnswerThatTheClientHoldsUp(t *testing.T) {
	g, down, up := relayingWithin(t, "read: 9s", "timeouts: {response_idle: "+short.String()+"}", tiny(), nil)
	down.Ask(3, true, "GET", "/")
	id := up.Any().StreamID
	up.Head(id, false, ":status", "200")
	up.Must(up.WriteData(id, false, []byte("text")))
	down.Answer(3, "200")
	down.Text(3, "te")
	pass(2 * short)
	at := time.Now()
	down.Must(down.WriteWindowUpdate(3, 100))
	down.Text(3, "xt")
	down.Reset(3, http2.ErrCodeInternal)
	if d := time.Since(at); d < short/2 {
		t.Errorf("the stream was reset after %v, want about %v", d, short)
	}
	up.Reset(id, http2.ErrCodeCancel)
	g.counted(telemetry.UT, 1)
}

// A caller's own deadline says nothing about the endpoint, the route's does; the caller hears the same.
func TestRelayedDeadlines(t *testing.T) {
	together(t)
	for _, tt := range []struct {
		name, route, timeout string
		want                 int
	}{
		{"the caller's", "", "50m", 0},
		{"the route's", "timeouts: {request: 50ms}", "9S", 1},
		{"the route's, for the head of the answer", "timeouts: {upstream: 50ms}", "9S", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, _, down, up := relaying(t, tt.route)
			g.failures(1) // the success of the first request is known
			down.Ask(3, true, "POST", "/", "content-type", "application/grpc", "grpc-timeout", tt.timeout)
			id := up.Any().StreamID
			if got := values(down.Section(3), "grpc-status"); len(got) != 1 || got[0] != "4" {
				t.Errorf("grpc-status = %v, want 4", got)
			}
			up.Reset(id, http2.ErrCodeCancel)
			g.counted(telemetry.UT, 1)
			if n := g.failures(2); n != tt.want {
				t.Errorf("%d failures of the endpoint, want %d", n, tt.want)
			}
			if why := g.set.Status()[0].Endpoints[0].Passive.LastError; (why != "") != (tt.want > 0) {
				t.Errorf("last error of the endpoint = %q", why)
			}
		})
	}
}

// A relayed answer that lasts says after a moment that its endpoint is well.
func TestLongRelayedAnswerProvesTheEndpoint(t *testing.T) {
	g, _, down, up := relaying(t, "")
	g.failures(1) // the success of the first request is known
	down.Ask(3, true, "GET", "/")
	up.Head(up.Any().StreamID, true, ":status", "500")
	down.Answer(3, "500")
	if n := g.failures(2); n != 1 {
		t.Fatalf("%d failures of the endpoint, want 1", n)
	}
	down.Ask(5, true, "GET", "/")
	id, begun := up.Any().StreamID, time.Now()
	up.Head(id, false, ":status", "200")
	down.Answer(5, "200")
	testserver.WaitFor(t, patience, "the endpoint to be well",
		func() bool { return g.set.Status()[0].Endpoints[0].Passive.Failures == 0 })
	if d := time.Since(begun); d < 900*time.Millisecond {
		t.Errorf("the endpoint was believed after %v, want about a second", d)
	}
	up.Must(up.WriteData(id, true, []byte("end")))
	down.Text(5, "end")
}

// A route may give clients of HTTP/2 more time to take its answers than the document does.
func TestClientThatTakesNothing(t *testing.T) {
	together(t)
	for name, retries := range map[string]string{"relayed": "", "with a goroutine": `, retries: {on: ["503"]}`} {
		for timeout, patient := range map[string]bool{short.String(): false, "9s": true} {
			t.Run(name+", "+timeout, func(t *testing.T) {
				t.Parallel()
				_, down, up := relayingWithin(t, "write: "+short.String(), "timeouts: {write: "+timeout+"}"+retries,
					tiny(), nil)
				down.Ask(3, true, "GET", "/")
				id := up.Any().StreamID
				up.Head(id, false, ":status", "200")
				up.Must(up.WriteData(id, false, []byte("text")))
				down.Answer(3, "200")
				down.Text(3, "te")
				if !patient {
					down.Reset(3, http2.ErrCodeCancel)
					return
				}
				pass(2 * short)
				down.Must(down.WriteWindowUpdate(3, 100))
				down.Text(3, "xt")
			})
		}
	}
}
