package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// maxTries bounds the endpoints that one connection is tried on. It is what [cluster.Tried] remembers.
const maxTries = 4

// DialFunc connects to the endpoint at address. It ends with ctx.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Dialer returns the plain TCP DialFunc. Host names are resolved each time.
func Dialer() DialFunc {
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true}}
	return func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
}

// upstream is a cluster as one listener of one revision uses it. Immutable.
type upstream struct {
	cluster *cluster.Cluster
	tele    *telemetry.Tunnel
	tls     *mtls.Client  // nil: in the clear
	header  string        // version of the PROXY header to begin with; empty: none
	connect time.Duration // longest time to connect, TLS included, and to wait for a free slot
}

// connect leases an endpoint and connects to it; when that does not work, the next one. It reports whether there is a connection.
func (c *conn) connect(ctx context.Context) bool {
	var tried cluster.Tried
	var seen []*cluster.Endpoint
	for len(seen) < maxTries {
		ep, err := c.to.cluster.Pick(&tried)
		if err == nil && slices.Contains(seen, ep) {
			ep.Done(cluster.Ignored) // all have been tried
			break
		}
		if err != nil {
			if len(seen) == 0 {
				c.stop(noEndpoint(err))
			}
			break
		}
		if len(seen) > 0 {
			c.to.cluster.Telemetry().Retries.Inc()
		}
		seen = append(seen, ep)
		c.attempts = len(seen)
		c.ep, c.address = ep, ep.Address()
		if err = c.open(ctx, ep); err == nil {
			return true
		}
		c.ep = nil
		switch {
		case errors.Is(err, cluster.ErrOverflow):
			ep.Done(cluster.Overflow)
			c.stop(telemetry.UO)
			return false
		case netio.Exhausted(err): // another endpoint would not help
			c.to.cluster.Telemetry().Overflow.Inc()
			ep.Done(cluster.Overflow)
			c.stop(telemetry.UO)
			return false
		case ctx.Err() != nil: // stopped, or the server's own has ended
			ep.Done(cluster.Ignored)
			c.stop(telemetry.LR)
			return false
		}
		ep.Done(cluster.ConnectFailure)
		c.s.logger.Debug("connect", "listener", c.set.name, "cluster", c.to.cluster.Name(), "endpoint", ep.Address(), "reason", mtls.Reason(err))
	}
	c.stop(telemetry.UF)
	return false
}

// noEndpoint is the flag for what Pick returns.
func noEndpoint(err error) telemetry.Flag {
	if errors.Is(err, cluster.ErrOverflow) {
		return telemetry.UO
	}
	return telemetry.UH
}

// open connects to ep under a slot of the cluster.
func (c *conn) open(ctx context.Context, ep *cluster.Endpoint) error {
	slot, err := c.to.reserve(ctx, ep)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.to.connect)
	defer cancel()
	begun := time.Now()
	nc, err := c.s.dial(ctx, ep.Address())
	if err == nil {
		err = c.introduce(ctx, nc, ep.Address())
	}
	c.took = time.Since(begun)
	c.to.cluster.Telemetry().RecordConnect(c.took, err == nil)
	if err != nil {
		slot.Release()
		return err
	}
	c.slot = slot
	return nil
}

// reserve takes the right to one connection. What the other plane has idle to the same endpoint gives way: it is no stream of ours.
func (u *upstream) reserve(ctx context.Context, ep *cluster.Endpoint) (*cluster.Slot, error) {
	ctx, cancel := context.WithTimeout(ctx, u.connect)
	defer cancel()
	for {
		idle, slot, err := u.cluster.ReserveWithin(ctx, ep, u.connect)
		if idle == nil {
			return slot, err
		}
		_ = idle.Close() // its slot is free with that
	}
}

// introduce does what comes first on a new connection to an endpoint: the PROXY header and the TLS handshake. Then it is the connection's
// other side.
func (c *conn) introduce(ctx context.Context, nc net.Conn, address string) error {
	if !c.connected(nc) {
		_ = nc.Close() // nothing was sent
		return context.Canceled
	}
	c.up = nc
	var err error
	if c.to.header != "" {
		at, _ := ctx.Deadline()
		_ = nc.SetWriteDeadline(at) // a closed connection says so at the write
		_, err = nc.Write(proxyproto.Append(nil, c.to.header, c.who))
		_ = nc.SetWriteDeadline(time.Time{})
	}
	if err == nil && c.to.tls != nil {
		tc := tls.Client(patient{nc}, c.to.tls.TunnelConfig(address))
		err = tc.HandshakeContext(ctx)
		c.up = tc
	}
	if err != nil {
		c.connected(nil)
		c.up = nil
		_ = nc.Close() // it never was a connection
	}
	return err
}
