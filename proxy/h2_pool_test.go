package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// narrow runs an endpoint that takes so many streams at a time on a connection, each for a moment.
func narrow(t testing.TB, streams int) string {
	t.Helper()
	alone(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		pass(short / 8)
		_, _ = io.WriteString(w, "ok")
	}))
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	s.Start()
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// crowd asks n times at once and counts the answers by what they are.
func crowd(g *gateway, c *http.Client, n int) map[string]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[string]int{}
	for range n {
		all.Go(func() {
			what := ""
			if res, err := c.Post("http://"+g.addr, "text/plain", strings.NewReader("x")); err != nil {
				what = err.Error()
			} else {
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				what = fmt.Sprint(res.StatusCode, " ", string(b))
			}
			mu.Lock()
			got[what]++
			mu.Unlock()
		})
	}
	all.Wait()
	return got
}

// More requests at a time than an endpoint takes on one connection go on more connections, or wait for one another.
// None is lost, whether the limit is known yet or not.
func TestMoreRequestsThanStreams(t *testing.T) {
	for name, tt := range map[string]struct {
		limits string
		n      int
	}{
		"more connections": {"", 80},
		"one connection":   {", limits: {max_connections: 1}", 60},
	} {
		for _, h2 := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", h2 ", h2), func(t *testing.T) {
				g := start(t, clustered("", "protocol: http2"+tt.limits, narrow(t, 10)))
				c := versionClient(t, h2)
				for range 2 { // cold, and warm
					if got := crowd(g, c, tt.n); got["200 ok"] != tt.n {
						t.Errorf("answers: %v, want %d of 200", got, tt.n)
					}
				}
			})
		}
	}
}

// Who waits too long for a stream has met a limit, which says nothing about the endpoint.
func TestNoStreamInTime(t *testing.T) {
	e := listen(t)
	g := start(t, "timeouts: {connect: "+short.String()+"}\n"+
		clustered("", "protocol: http2, limits: {max_connections: 1}", e.addr))
	down := g.dial2()
	down.Ask(1, true, "GET", "/first")
	up := e.accept2(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1})
	up.Head(up.Any().StreamID, true, ":status", "200")
	down.Answer(1, "200")
	down.Ask(3, true, "GET", "/")
	held := up.Any().StreamID
	down.Ask(5, true, "GET", "/")
	down.Answer(5, "503")
	down.Text(5, "upstream limit reached\n")
	g.counted(telemetry.UO, 1)
	down.Ask(7, true, "GET", "/")
	up.Head(held, true, ":status", "200")
	down.Answer(3, "200")
	up.Head(up.Any().StreamID, true, ":status", "201")
	down.Answer(7, "201")
	if s := g.set.Status()[0].Endpoints[0].Passive; s.Failures != 0 {
		t.Errorf("%d failures of the endpoint, want none", s.Failures)
	}
	e.unused()
}

// A request that got no stream at one endpoint in time goes to another one: nothing of it was sent.
func TestNoStreamButElsewhere(t *testing.T) {
	for name, h2 := range map[string]bool{"http1": false, "http2": true} {
		t.Run(name, func(t *testing.T) {
			never := silentEndpoint(t, "http2", 0)
			g := start(t, "timeouts: {connect: "+short.String()+"}\n"+
				clustered("", "protocol: http2", never, narrow(t, 10)))
			if got := crowd(g, versionClient(t, h2), 10); got["200 ok"] != 10 {
				t.Errorf("answers: %v, want 10 of 200", got)
			}
		})
	}
}

// How long one request can wait for a connection is nothing to another that waits for the same.
func TestShortDeadlineWhileConnecting(t *testing.T) {
	e := listen(t)
	var dials atomic.Int64
	let, dial := make(chan struct{}), netio.Dialer(nil)
	g := start(t, clustered("", "protocol: http2", e.addr), func(o *proxy.Options) {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			dials.Add(1)
			select {
			case <-let:
				return dial(ctx, address)
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	})
	down := g.dial2()
	down.Ask(1, true, "POST", "/", "content-type", "application/grpc", "grpc-timeout", "50m")
	testserver.WaitFor(t, patience, "a dial", func() bool { return dials.Load() == 1 })
	down.Ask(3, true, "GET", "/")
	if got := values(down.Section(1), "grpc-status"); len(got) != 1 || got[0] != "4" {
		t.Errorf("grpc-status = %v, want 4", got)
	}
	close(let)
	up := e.accept2()
	up.Head(up.Any().StreamID, true, ":status", "204")
	down.Answer(3, "204")
	if n := dials.Load(); n != 1 {
		t.Errorf("dialled %d times, want once", n)
	}
}

// A panic while connecting, which nobody's goroutine is in, fails those who wait, and the next request connects.
func TestPanicWhileConnecting(t *testing.T) {
	var broken atomic.Bool
	dial := netio.Dialer(nil)
	app := versionBackend(t, true, func(http.ResponseWriter, *http.Request) {})
	g := start(t, clustered("", "protocol: http2", app), func(o *proxy.Options) {
		o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if broken.Swap(false) {
				panic("a bug of ours")
			}
			return dial(ctx, address)
		}
	})
	broken.Store(true)
	down := g.dial2()
	down.Ask(1, true, "GET", "/")
	down.Answer(1, "502")
	down.Text(1, "upstream connect failed\n")
	down.Ask(3, true, "GET", "/")
	down.Answer(3, "200")
	if n := g.registry.Panics.Count(telemetry.L7); n != 1 {
		t.Errorf("%d panics were survived, want 1", n)
	}
}
