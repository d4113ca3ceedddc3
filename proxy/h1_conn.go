package proxy

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
)

// connH1 is an HTTP/1.1 connection from a client. Its goroutine runs serve. Between requests it is only this: no
// buffer, no exchange, and, after a while, no goroutine (see netio.Conn.Park) or at least a small stack.
type connH1 struct {
	forward.ConnH1
	s *Server

	waiting atomic.Bool // idle: Interrupt does no harm
	fresh   bool        // nothing has come on it yet
	// ALPN has settled on HTTP/1.1 (RFC 7301 section 3.2): no HTTP/2 may come, as it may where nothing was agreed on
	settled bool
	waits   uint8 // how often it has been parked at once
}

// waitsAtOnce is how often a connection that is young is parked as soon as there is nothing to read. Many carry one
// request only, and the runtime's poller need not know of those. One that is used goes on with its goroutine.
const waitsAtOnce = 2

// slimAfter is how long a connection must be idle before it is parked. Where it cannot be, it moves to a fresh
// goroutine, whose stack is small again. The one that has carried a request has grown, and only the garbage collector
// would shrink it.
const slimAfter = 50 * time.Millisecond

// serve carries requests until the connection, which is tracked, ends. first, with n bytes in it, is what has been read
// already. It may be nil.
func (c *connH1) serve(first *netio.Buffer, n int) {
	c.run(first, n, c.s.engine.Now(), false)
}

// run is the loop over requests; since is when the connection last became idle, busy tells that this goroutine has
// carried one.
func (c *connH1) run(first *netio.Buffer, n int, since int64, busy bool) {
	for ; ; busy = true {
		if n == 0 {
			var why idleEnd
			switch first, n, why = c.await(since, busy); why {
			case idleParked:
				return // c is no longer ours
			case idleSlim:
				go c.run(nil, 0, since, false)
				return
			case idleOver:
				c.end(false)
				return
			}
			c.busy()
		}
		q := forward.NewRequestH1(&c.ConnH1, c, first, n)
		if !c.finish(q, q.Serve(c.fresh && !c.settled)) {
			return
		}
		since, first, n = c.s.engine.Now(), nil, 0
	}
}

// Continue goes on with a request that was parked, and with the connection.
func (c *connH1) Continue(q *forward.RequestH1) {
	if c.finish(q, q.Continue()) {
		c.run(nil, 0, c.s.engine.Now(), true)
	}
}

// finish does what follows a request, and carries those that are pipelined behind it. It tells whether c is still the
// caller's, and idle.
func (c *connH1) finish(q *forward.RequestH1, served forward.Served) bool {
	for served == forward.ServedOne && q.Buffered() > 0 { // pipelined
		served = q.Serve(false)
	}
	if served == forward.ServedLater {
		return false
	}
	c.fresh = false
	panicked, last, preface := q.Panicked(), q.Last(), q.Preface()
	q.Release()
	switch {
	case preface != nil:
		c.becomeHTTP2(preface)
	case served == forward.ServedLast:
		// A client that sends nothing more cannot lose the response to a reset.
		c.end(!panicked && !(last && c.Conn.Drained()))
	default:
		return true
	}
	return false
}

// idleEnd is how a wait for a request ended.
type idleEnd uint8

const (
	idleRequest idleEnd = iota // bytes have come
	idleParked                 // Resume or Expire goes on
	idleSlim                   // idle on a grown stack
	idleOver                   // closed, timed out or drained
)

// await waits for the first bytes of a request. busy tells that this goroutine has carried one.
func (c *connH1) await(since int64, busy bool) (*netio.Buffer, int, idleEnd) {
	c.waiting.Store(true)
	limit := since + int64(c.s.engine.Table().Timeouts.Idle)
	slim := busy || c.Conn.Plain()
	for {
		// else a request has come in the same moment
		if c.s.draining.Load() && c.Conn.Quiet() && !c.mayStillBegin(since) {
			return nil, 0, idleOver
		}
		if c.waits < waitsAtOnce && c.Conn.Unpolled() && !(c.fresh && c.s.left.Load() != 0) { // see mayStillBegin
			if b, n, why := c.awaitParked(limit); why != idleSlim {
				return b, n, why
			}
		}
		at := limit
		if slim {
			at = forward.Earlier(limit, since+int64(slimAfter))
		}
		c.Conn.SetReadDeadline(at)
		b, n, err := c.Conn.ReadFirst()
		switch {
		case err == nil:
			return b, n, idleRequest
		case errors.Is(err, netio.ErrInterrupted): // to look at draining again
		case errors.Is(err, netio.ErrTimeout) && at < limit:
			c.Conn.SetReadDeadline(limit)
			if c.Conn.Park(c) {
				return nil, 0, idleParked
			}
			if busy {
				return nil, 0, idleSlim
			}
			slim = false
		default:
			return nil, 0, idleOver
		}
	}
}

// awaitParked is await for a connection that is young; idleSlim: it was not parked.
func (c *connH1) awaitParked(limit int64) (*netio.Buffer, int, idleEnd) {
	b, n, err := c.Conn.TryFirst()
	switch {
	case err == nil:
		return b, n, idleRequest
	case !errors.Is(err, netio.ErrWouldBlock):
		return nil, 0, idleOver
	}
	c.waits++
	c.Conn.SetReadDeadline(limit)
	if c.Conn.Park(c) {
		return nil, 0, idleParked
	}
	return nil, 0, idleSlim
}

// mayStillBegin tells whether the client came so late in a drain, by a long handshake, that its first request may
// still be on its way. Then it is waited for.
func (c *connH1) mayStillBegin(since int64) bool {
	return c.fresh && c.s.engine.Now() < since+int64(drainNotice)
}

// Resume goes on when a parked connection can be read, or drain or cut want it. That it may wait once more, from now,
// does no harm.
func (c *connH1) Resume() { c.run(nil, 0, c.s.engine.Now(), false) }

// Expire ends a connection that was parked for too long.
func (c *connH1) Expire() { c.end(false) }

// busy ends the time in which a drain may interrupt the connection.
func (c *connH1) busy() {
	c.waiting.Store(false)
	if c.s.draining.Load() { // an interrupt may be under way: it is given with the lock held
		c.s.mu.Lock()
		c.s.mu.Unlock() //nolint:staticcheck // the empty section is a barrier
		c.Conn.ClearInterrupt()
	}
}

// leave does nothing before the next response, which looks at the engine's notice.
func (c *connH1) leave() {}

// drain makes an idle connection look at Server.draining; a busy one does so after its request.
//
// +checklocks:c.s.connections.mu
func (c *connH1) drain() {
	switch {
	case !c.waiting.Load(): // a request is in hand; it may be parked too
	case c.Conn.Unpark():
		c.s.roused = append(c.s.roused, c)
	default:
		c.Conn.Interrupt()
	}
}

func (c *connH1) cut() {
	_ = c.Conn.Abort() // it is over for both ends
	if t := c.Tunnel.Load(); t != nil {
		_ = t.Abort()
	}
}

// end closes the connection. linger: a response was sent last, which a reset could take from the client.
func (c *connH1) end(linger bool) {
	if linger {
		c.Conn.SetReadDeadline(c.s.engine.Now() + int64(netio.LingerFor))
		netio.Linger(c.Conn)
	}
	_ = c.Conn.Close() // nothing depends on it any more
	c.s.untrack(c, &c.Client)
}

// becomeHTTP2 goes on as an HTTP/2 connection (prior knowledge, RFC 9113 section 3.3), of which early has come.
func (c *connH1) becomeHTTP2(early []byte) {
	d := c.s.newConnH2(c.Conn, c.Client)
	c.s.retrack(c, d)
	d.serve(early)
}
