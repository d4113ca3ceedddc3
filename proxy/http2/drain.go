package http2

import (
	"errors"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// drainState is how far Shutdown has come.
type drainState uint8

const (
	notDraining drainState = iota
	drainFirst             // GOAWAY with the highest number was sent: what is on its way is still served
	drainLast              // the last stream is settled
)

// drainWait is the time between the first GOAWAY of Shutdown and the last, if the answer to the PING is not faster.
const drainWait = time.Second

// Shutdown lets the streams finish and opens no more. A server says so twice (RFC 9113 section 6.8): what a client sent before it heard the
// first GOAWAY is still served. The connection ends with the last stream. It does not wait.
func (c *Conn) Shutdown() {
	c.mu.Lock()
	if c.drain != notDraining || c.dead {
		c.mu.Unlock()
		return
	}
	if c.client {
		c.sayLast()
		c.roomGone()
		if len(c.streams) == 0 {
			c.nc.Interrupt()
		}
		c.leave(nil)
		return
	}
	c.drain = drainFirst
	c.appendControl(64)
	c.out = appendGoAway(c.out, maxStreamID, NoError, "")
	c.out = appendPing(c.out, false, pingDrain)
	c.drainAt = c.nc.Now() + int64(drainWait)
	c.wakeBy(c.drainAt)
	c.leave(nil)
}

// sayLast sends the GOAWAY that names the last stream. Called with the lock held.
func (c *Conn) sayLast() {
	c.drain, c.drainAt = drainLast, 0
	c.goneLast = c.lastID
	if c.client {
		c.goneLast = 0 // the server opens none
	}
	c.appendControl(17)
	c.out = appendGoAway(c.out, c.goneLast, NoError, "")
}

// streamGone looks what the end of a stream means for the connection. Called with the lock held.
func (c *Conn) streamGone() {
	c.roomMade()
	switch {
	case len(c.streams) > 0 || c.dead:
	case c.drain == drainLast || c.peerGone:
		c.nc.Interrupt() // nothing is left to wait for
	case c.opt.IdleTimeout > 0:
		c.idleAt = c.nc.Now() + int64(c.opt.IdleTimeout)
		c.wakeBy(c.idleAt)
	}
}

// roomMade tells who had no room, once there is some. Called with the lock held, in front of leave.
func (c *Conn) roomMade() {
	if c.starved && len(c.streams)+c.reserved < c.peerStreams {
		c.roomGone()
	}
}

// roomGone tells who had no room to look for it elsewhere. Called as roomMade.
func (c *Conn) roomGone() {
	c.roomDue = c.roomDue || c.starved
	c.starved = false
}

// How long a connection that has ended takes to say so: until everything is written, and then until the peer has closed its side or
// has had the time to. Closing a socket that has unread bytes resets it, and what the peer has not read by then is lost to it.
const (
	flushTime  = 5 * time.Second
	lingerTime = 500 * time.Millisecond
)

// shut ends the connection: why is said to the peer, every stream is reset, and the socket is closed when all is out.
func (c *Conn) shut(err error) error {
	c.mu.Lock()
	switch {
	case c.err != nil:
		err = c.err
	case c.why != nil && !errors.As(err, new(*ConnError)):
		err = c.why
	}
	orderly := !c.dead && c.sayWhy(err)
	c.dead = true
	lost := make([]*Stream, 0, len(c.streams))
	for _, s := range c.streams {
		lost = append(lost, s)
		s.gone, s.waiting, s.queued = true, false, false
	}
	clear(c.streams)
	c.blocked = nil
	c.mu.Unlock()

	code := Cancel
	if ce, ok := errors.AsType[*ConnError](err); ok {
		code = ce.Code
	}
	for _, s := range lost {
		c.lose(s, code, err)
	}
	c.batch.Flush()
	c.flush()
	if orderly {
		c.linger()
	}
	_ = c.nc.Close() // it is over either way
	c.mu.Lock()
	for c.writing {
		c.written.Wait()
	}
	c.fail(err)
	c.mu.Unlock()
	if c.block != nil {
		c.block.release()
		c.block = nil
	}
	c.in.Free()
	c.in = nil
	return err
}

// sayWhy appends the GOAWAY that goes with err, and reports whether the peer should be given time to read it, and what else is still to
// be written. Called with the lock held.
func (c *Conn) sayWhy(err error) bool {
	code, reason := NoError, ""
	ce, broken := errors.AsType[*ConnError](err)
	switch {
	case broken && ce.Remote:
		return true // nothing to add; but what the peer has sent behind it must not turn the end into a reset
	case broken:
		code, reason = ce.Code, ce.Reason
	case errors.Is(err, ErrDrained):
		return true // it was said, or is the peer's own wish
	case !errors.Is(err, ErrIdle) && !errors.Is(err, ErrSilent) && !errors.Is(err, ErrClosed):
		return false // the socket is gone
	}
	last := c.lastID
	switch {
	case c.client:
		last = 0
	case c.drain == drainLast:
		last = c.goneLast
	}
	c.appendControl(17 + len(reason))
	c.out = appendGoAway(c.out, last, code, reason)
	return !errors.Is(err, ErrClosed)
}

// linger writes what is left, sends FIN, and drops what still comes.
func (c *Conn) linger() {
	c.in.Free()
	c.in = netio.NewBuffer()
	c.nc.SetReadDeadline(c.nc.Now() + int64(flushTime))
	for c.unwritten() {
		if _, err := c.nc.Read(c.in.B); err != nil && !errors.Is(err, netio.ErrInterrupted) {
			return
		}
	}
	_ = c.nc.CloseWrite() // what it says, the reads below say too
	_, _ = c.w.Try(nil)   // the close_notify of TLS
	c.nc.SetReadDeadline(c.nc.Now() + int64(lingerTime))
	for range lingerReads {
		if _, err := c.nc.Read(c.in.B); err != nil && !errors.Is(err, netio.ErrInterrupted) {
			return
		}
	}
}

// unwritten tells whether the end of the connection has to wait for a writer, which wakes the reading goroutine when it is done.
func (c *Conn) unwritten() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.full = c.writing
	return c.writing
}

// lingerReads bounds, in buffers, what a peer may send after its connection was ended.
const lingerReads = 64
