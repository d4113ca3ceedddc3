package l4

import (
	"net"
	"runtime/debug"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// end closes what is open, gives back what was taken, and tells. Each step is taken, whatever becomes of the one
// before.
func (c *conn) end() {
	defer c.gone()
	flag, server := c.ending()
	c.close(flag, server)
	c.giveBack(flag)
	c.record(flag)
}

// gone gives back the connection's own place.
func (c *conn) gone() {
	c.set.tele.Active.Dec()
	c.s.limit.Release()
	c.s.gone()
}

// recovered is deferred around all that a goroutine does for the connection. A panic is a bug of ours, which ends this
// connection and must not end the others. It is counted and logged with its stack, and both sides see a reset.
func (c *conn) recovered() {
	p := recover()
	if p == nil {
		return
	}
	c.s.panicked(p, debug.Stack())
	c.stop(telemetry.LR)
}

// close ends both sides. From here on the watch does not see the connection any more.
func (c *conn) close(flag telemetry.Flag, server net.Conn) {
	defer c.recovered()
	c.s.unwatch(c)
	c.client.early.Free()
	if flag != telemetry.NoFlag {
		hangUp(c.socket, flag)
		hangUp(server, flag)
		return
	}
	_ = c.down.Close() // both directions have ended in order
	if c.up != nil {
		_ = c.up.Close()
	}
}

// hangUp closes a socket without waiting for anybody. Where the other side broke off, where there was none, and at the
// end of a drain the peer sees a reset. It must not take that for an orderly end. A TLS peer sees no close_notify,
// which says the same.
func hangUp(nc net.Conn, flag telemetry.Flag) {
	if nc == nil {
		return
	}
	switch flag {
	case telemetry.SI, telemetry.DT, telemetry.NR, telemetry.DPE:
	default:
		if l, ok := nc.(interface{ SetLinger(int) error }); ok {
			_ = l.SetLinger(0) // a connection that is gone needs no reset
		}
	}
	_ = nc.Close() // nothing is left to lose
}

// giveBack ends the lease of the endpoint.
func (c *conn) giveBack(flag telemetry.Flag) {
	defer c.recovered()
	a := &c.attempt
	if a.slot != nil {
		defer a.slot.Release()
	}
	if a.ep == nil {
		return
	}
	outcome := c.outcome(flag)
	if outcome == cluster.Reset {
		c.cause = errBrokeOff
		c.explain(telemetry.UC, c.cause)
	}
	a.ep.Done(outcome)
}

// outcome is what the endpoint's health hears at the end. Success was reported with the first byte that came back. None
// ever comes where the endpoint only takes. There a good end has to make up for failures, or they would be in a row
// however far apart.
func (c *conn) outcome(flag telemetry.Flag) cluster.Outcome {
	switch {
	case flag == telemetry.DC:
		return cluster.ClientGone
	case c.back.began:
		return cluster.Ignored
	case flag == telemetry.UC && !c.there.ended.Load():
		return cluster.Reset
	case flag == telemetry.NoFlag && c.there.moved.Load() > 0:
		return cluster.Success
	}
	return cluster.Ignored
}
