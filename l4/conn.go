package l4

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// conn is one connection of a client, from its accept to its record. Its fields belong to the goroutine of serve and, after
// that, to the pump that ends last, except as noted.
type conn struct {
	s      *Server
	set    *settings
	shard  uint32 // spreads connections over the access log's locks
	start  time.Time
	cancel context.CancelFunc // ends the context of serve

	who        proxyproto.Header // the client, and where it has connected to
	name       string            // that the ClientHello asks for
	tlsVersion string
	identity   string        // of the client's certificate
	early      *netio.Buffer // what was read of the client's own bytes; nil: nothing
	earlyBytes []byte

	to       *upstream // nil until a route was found
	attempts int
	took     time.Duration // of the last connect
	address  string        // of the last endpoint tried
	ep       *cluster.Endpoint
	slot     *cluster.Slot

	down, up       net.Conn     // what bytes are moved between: sockets, or TLS over them
	there, back    pump         // from the client, and to it
	left           atomic.Int32 // of the two
	flowing        atomic.Bool
	stopped        atomic.Bool // flag is set: both pumps are to end
	mu             sync.Mutex  // guards flag and the two sockets, which stop wakes
	flag           telemetry.Flag
	socket, server net.Conn // under down and up

	// The watch's, under the server's mu; set before flowing.
	seen   [2]int64  // bytes there and back at the last look
	last   time.Time // when they were last seen to have grown
	taken  time.Time // when the endpoint was first seen to have taken some
	judged bool      // a while after that
}

func newConn(s *Server, set *settings, nc net.Conn, cancel context.CancelFunc) *conn {
	c := &conn{s: s, set: set, shard: s.conns.Add(1), start: time.Now(), cancel: cancel, socket: nc, down: nc}
	c.who = proxyproto.Header{Source: addrPort(nc.RemoteAddr()), Destination: addrPort(nc.LocalAddr())}
	return c
}

// serve is the life of the connection up to where its bytes flow. Until then ctx is its own.
func (c *conn) serve(ctx context.Context) {
	defer c.cancel()
	if c.greet(ctx) && c.connect(ctx) {
		c.tunnel()
		return
	}
	c.end()
}

// stop ends the connection, for the reason that the flag names; the first one counts. It wakes whoever waits for one of the sockets, or for a
// place or a connect. Safe from any goroutine.
func (c *conn) stop(f telemetry.Flag) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flag != telemetry.NoFlag {
		return
	}
	c.flag = f
	c.stopped.Store(true)
	c.cancel() // first, so that who is woken can tell why
	for _, nc := range [2]net.Conn{c.socket, c.server} {
		if nc != nil {
			_ = nc.SetDeadline(past) // a socket that is closed needs no waking
		}
	}
}

// past is the deadline that wakes a waiting goroutine at once.
var past = time.Unix(1, 0)

// deadline is the client's until then; the zero time takes it away. It reports whether the connection is to go on.
func (c *conn) deadline(at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flag != telemetry.NoFlag {
		return false
	}
	_ = c.socket.SetDeadline(at) // a socket that is closed says so at the next read
	return true
}

// connected takes the socket to the endpoint among those that stop wakes. It reports whether the connection is to go on.
func (c *conn) connected(nc net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.server = nc
	return c.flag == telemetry.NoFlag
}

// end closes what is open, gives back what was taken, and tells.
func (c *conn) end() {
	c.s.unwatch(c)
	c.early.Free()
	if c.flag == telemetry.NoFlag {
		_ = c.down.Close() // both sides have said their goodbyes
		if c.up != nil {
			_ = c.up.Close()
		}
	} else {
		c.hangUp(c.socket)
		c.hangUp(c.server)
	}
	if c.ep != nil {
		c.ep.Done(c.outcome())
		c.slot.Release()
	}
	c.record()
	c.set.tele.Active.Dec()
	c.s.limit.Release()
	c.s.gone()
}

// hangUp closes a socket without waiting for anybody. Where the other side broke off, where there was none, and at the end of a drain the
// peer sees a reset: it must not take that for an orderly end. A TLS peer sees no close_notify, which says the same.
func (c *conn) hangUp(nc net.Conn) {
	if nc == nil {
		return
	}
	switch c.flag {
	case telemetry.SI, telemetry.DT, telemetry.NR, telemetry.DPE:
	default:
		if l, ok := nc.(interface{ SetLinger(int) error }); ok {
			_ = l.SetLinger(0) // a connection that is gone needs no reset
		}
	}
	_ = nc.Close() // nothing is left to lose
}

// outcome is what the endpoint's health hears at the end. Success was reported with the first byte that came back; where none ever comes, since
// the endpoint only takes, a good end has to make up for failures, or they would be in a row however far apart.
func (c *conn) outcome() cluster.Outcome {
	switch {
	case c.flag == telemetry.DC:
		return cluster.ClientGone
	case c.back.began:
		return cluster.Ignored
	case c.flag == telemetry.UC && !c.there.ended.Load():
		return cluster.Reset
	case c.flag == telemetry.NoFlag && c.there.moved.Load() > 0:
		return cluster.Success
	}
	return cluster.Ignored
}
