package forward

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// TestLeaseFresh: who asks for a fresh connection has just met a dead one. At the limit of connections it may be handed
// one that is idle, which must not be dead too.
func TestLeaseFresh(t *testing.T) {
	for _, dead := range []bool{false, true} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		c, err := cluster.NewSet(cluster.Options{}).Prepare(&config.Cluster{
			Name: "app", Protocol: config.ProtocolHTTP1, Balance: config.BalanceWRR,
			Endpoints: []config.Endpoint{{Address: ln.Addr().String(), Weight: 1}},
			Limits:    config.ClusterLimits{MaxConnections: 1, MaxPending: 1},
			Keepalive: config.Keepalive{MaxIdle: 1, IdleTimeout: time.Minute},
		})
		if err != nil {
			t.Fatal(err)
		}
		ep, err := c.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		e := typical(t, config.Route{Match: config.Match{PathPrefix: "/"}}).engine
		e.ctx = t.Context()
		up := &route.Upstream{Cluster: c, Protocol: config.ProtocolHTTP1,
			Dial: func(ctx context.Context, address string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", address)
			}}
		idle, err := e.lease(up, ep, false, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { peer.Close() })
		ep.Put(idle.(*upstreamH1), 0)
		if dead {
			peer.Close()
			testserver.WaitFor(t, 10*time.Second, "the end of the connection", func() bool { return !idle.Usable() })
		}
		got, err := e.lease(up, ep, true, time.Second)
		if err != nil {
			t.Fatalf("dead %v: %v", dead, err)
		}
		if reused := got.Standing(e.Now()) != unused; reused == dead {
			t.Errorf("dead %v: reused %v, want a connection whose peer is there", dead, reused)
		}
		got.Close()
	}
}
