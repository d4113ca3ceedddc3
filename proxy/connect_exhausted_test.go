package proxy_test

import (
	"context"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A gateway that is out of descriptors or ports says so itself, and holds it against no endpoint: neither a request
// nor an active check.
func TestExhausted(t *testing.T) {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.EADDRNOTAVAIL} {
		t.Run(e.Error(), func(t *testing.T) {
			var dials atomic.Int64
			g := start(t, often(checked("127.0.0.1:1", "type: tcp, unhealthy_threshold: 1",
				"passive_health: {consecutive_failures: 1}")), func(o *proxy.Options) {
				o.Dial = func(context.Context, string) (net.Conn, error) {
					dials.Add(1)
					return nil, &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)},
						Err: os.NewSyscallError("connect", e)}
				}
			})
			if a, body := g.ask(get("/")); a.StatusCode != 503 || body != "upstream limit reached\n" {
				t.Errorf("answer %d %q", a.StatusCode, body)
			}
			if n := g.faults(telemetry.UO); n != 1 {
				t.Errorf("%d faults with the flag UO, want 1", n)
			}
			if n := g.registry.Cluster("app").Overflow.Load(); n != 1 {
				t.Errorf("gateway.upstream.overflow = %d, want 1", n)
			}
			testserver.WaitFor(t, patience, "checks", func() bool { return dials.Load() > 3 })
			if ep := g.set.Status()[0].Endpoints[0]; ep.State != "healthy" || ep.Passive.Failures != 0 ||
				ep.Check.State != "unknown" {
				t.Errorf("endpoint %+v, check %+v", ep, ep.Check)
			}
		})
	}
}
