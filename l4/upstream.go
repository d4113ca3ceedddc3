package l4

import (
	"cmp"
	"context"
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

// upstream is a cluster as one listener of one revision uses it. Immutable.
type upstream struct {
	failover []*upstream // stand in while it has no usable endpoint: those of cluster.StandIns
	cluster  *cluster.Cluster
	tele     *telemetry.Tunnel
	tls      *mtls.Client  // nil: in the clear
	header   string        // version of the PROXY header to begin with; empty: none
	connect  time.Duration // longest time to connect, TLS included, and to wait for a free slot
}

// serving is the cluster that a connection for u goes to now: u, or one that stands in for it.
func (u *upstream) serving() *upstream {
	if len(u.failover) == 0 {
		return u
	}
	if n := u.cluster.Serving(); n > 0 {
		return u.failover[n-1]
	}
	return u
}

// connect leases an endpoint and connects to it; when that does not work, the next one. It reports whether there is a
// connection.
func (c *conn) connect(ctx context.Context) bool {
	a := &c.attempt
	var tried cluster.Tried
	ep, flag := c.first(ctx, &tried)
	var seen []*cluster.Endpoint
	for flag == telemetry.NoFlag {
		seen = append(seen, ep)
		a.count = len(seen)
		a.ep, a.address, a.begun, c.cause = ep, ep.Address(), time.Now(), nil
		err := c.open(ctx, ep)
		if err == nil {
			return true
		}
		var outcome cluster.Outcome
		outcome, flag = c.failure(ctx, err)
		a.ep = nil
		ep.Done(outcome)
		a.ended = append(a.ended, c.try(time.Now(), cmp.Or(flag, telemetry.UF)))
		if flag != telemetry.NoFlag {
			break
		}
		if ep = a.to.next(seen, &tried); ep == nil {
			flag = telemetry.UF
		}
	}
	c.stop(flag)
	return false
}

// try is the attempt that has ended now, with flag.
func (c *conn) try(now time.Time, flag telemetry.Flag) telemetry.Attempt {
	a := &c.attempt
	return telemetry.Attempt{
		Endpoint: a.address, After: a.begun.Sub(c.start), Took: now.Sub(a.begun), Flag: flag, Cause: c.cause,
	}
}

// next leases another endpoint than those seen; nil: there is none, or they are enough.
func (u *upstream) next(seen []*cluster.Endpoint, tried *cluster.Tried) *cluster.Endpoint {
	if len(seen) == maxTries {
		return nil
	}
	ep, err := u.cluster.Pick(tried)
	switch {
	case err != nil:
		return nil
	case slices.Contains(seen, ep):
		ep.Done(cluster.Ignored) // all have been tried
		return nil
	}
	u.cluster.Telemetry().Retries.Inc()
	return ep
}

// hashKey is the key of the client's address where it decides on the endpoint.
func (c *conn) hashKey() uint64 {
	if !c.attempt.to.cluster.Config().Hash.SourceIP {
		return 0
	}
	var b [64]byte
	return cluster.Hash(c.client.who.Source.Addr().Unmap().WithZone("").AppendTo(b[:0]))
}

// failure is what a failed connect says of the endpoint, and the flag to stop with where another endpoint is not tried.
func (c *conn) failure(ctx context.Context, err error) (cluster.Outcome, telemetry.Flag) {
	c.cause = err
	switch {
	case errors.Is(err, cluster.ErrOverflow):
		return cluster.Overflow, telemetry.UO
	case netio.Exhausted(err): // another endpoint would not help
		c.attempt.to.cluster.Telemetry().Overflow.Inc()
		return cluster.Overflow, telemetry.UO
	case ctx.Err() != nil: // stopped, or the server's own has ended
		return cluster.Ignored, telemetry.LR
	}
	c.cause = netio.NewConnectError(err)
	c.explain(telemetry.UF, c.cause)
	return cluster.ConnectFailure, telemetry.NoFlag
}

// errBrokeOff is what an endpoint did that reset the connection before a byte came back.
var errBrokeOff = errors.New("connection reset before a byte came back")

// explain keeps for /status what was wrong with the endpoint, and logs it if that is news.
func (c *conn) explain(flag telemetry.Flag, err error) {
	ep := c.attempt.ep
	if ep.Explain(err.Error()) {
		c.s.logger.Warn("endpoint failed", "cluster", c.attempt.to.cluster.Name(), "address", ep.Address(),
			"flag", flag.String(), "error", err)
	}
}

// noEndpoint is the flag for what Pick returns.
func noEndpoint(err error) telemetry.Flag {
	if errors.Is(err, cluster.ErrOverflow) {
		return telemetry.UO
	}
	return telemetry.UH
}

// open connects to ep under a slot of the cluster.
func (c *conn) open(ctx context.Context, ep *cluster.Endpoint) (err error) {
	a := &c.attempt
	if a.slot, err = a.to.reserve(ctx, ep); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.to.connect)
	defer cancel()
	begun := time.Now()
	nc, err := c.s.dial(ctx, ep.Address())
	if err == nil {
		err = c.introduce(ctx, nc, ep.Address())
	}
	a.took = time.Since(begun)
	a.to.cluster.Telemetry().RecordConnect(a.took, err == nil)
	ep.Telemetry().Record(a.took, err != nil)
	if err != nil {
		a.slot.Release()
		a.slot = nil
	}
	return err
}

// reserve takes the right to one connection. What the other plane has idle to the same endpoint gives way: it is no
// stream of ours.
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

// introduce does what comes first on a new connection to an endpoint: the PROXY header and the TLS handshake. Then it
// is the connection's other side.
func (c *conn) introduce(ctx context.Context, nc net.Conn, address string) (err error) {
	if !c.connected(nc) {
		_ = nc.Close() // nothing was sent
		return context.Canceled
	}
	up, to := nc, c.attempt.to
	if to.header != "" {
		err = proxyproto.Write(ctx, nc, to.header, c.client.who)
	}
	if err == nil && to.tls != nil {
		up, err = to.tls.Tunnel(ctx, unhurried{nc}, address)
	}
	if err != nil {
		c.connected(nil)
		_ = nc.Close() // it never was a connection
		return err
	}
	c.up = up
	return nil
}
