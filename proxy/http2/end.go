package http2

import (
	"errors"
	"io"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// A connection that has ended takes time to say so. It takes until everything is written, and then until the peer has
// closed its side or has had the time to. Closing a socket that has unread bytes resets it, and what the peer has not
// read by then is lost to it.
const (
	flushTime  = 5 * time.Second
	lingerTime = 500 * time.Millisecond
)

// lingerReads bounds, in buffers, what a peer may send after its connection was ended.
const lingerReads = 64

// shut ends the connection: why is said to the peer, every stream is reset, and the socket is closed when all is out.
func (r *reader) shut(err error) error {
	c := r.c
	c.mu.Lock()
	if c.end.err != nil {
		err = c.end.err
	}
	// The peer's own reason says more than how its socket went, but not more than a fault that we have found.
	if c.end.remote != nil && !errors.Is(err, ErrClosed) && !errors.As(err, new(*ConnError)) {
		err = c.end.remote
	}
	orderly := false
	if c.end.state == connOpen {
		orderly = c.sendReason(err)
	}
	c.end.state = max(c.end.state, connEnding)
	lost := make([]*Stream, 0, len(c.streams.open))
	for _, s := range c.streams.open {
		lost = append(lost, s)
		asStream(c, s)
		s.lost()
		asConn(s, c)
	}
	clear(c.streams.open)
	c.flow.blocked = nil
	c.mu.Unlock()

	cause := err
	if errors.Is(err, io.EOF) {
		cause = io.ErrUnexpectedEOF // whoever reads a body takes io.EOF for its end
	}
	code := Cancel
	if ce, ok := errors.AsType[*ConnError](err); ok {
		code = ce.Code
	}
	for _, s := range lost {
		r.lose(s, code, cause)
	}
	r.batch.Flush()
	c.flush()
	if orderly {
		r.linger()
	}
	_ = c.nc.Close() // it is over either way
	c.mu.Lock()
	for c.out.writing {
		c.written.Wait()
	}
	c.fail(err)
	c.mu.Unlock()
	r.headers.release()
	r.frames.free()
	return err
}

// lose is the last event of a stream whose connection is over.
func (r *reader) lose(s *Stream, code ErrCode, cause error) {
	var panicked error
	defer r.recoverPanic(&panicked) // the others must learn of their end too
	if s.recv != nil {
		s.recv.Reset(&r.batch, s, code, cause)
	}
}

// sendReason appends the GOAWAY that goes with err. It reports whether the peer should be given time to read it, and
// what else is still to be written.
//
// +checklocks:c.mu
func (c *Conn) sendReason(err error) bool {
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
	last := c.streams.lastID
	switch {
	case c.client:
		last = 0
	case c.drain.state == drainLast:
		last = c.drain.last
	}
	c.appendControl(17 + len(reason))
	c.out.b = appendGoAway(c.out.b, last, code, reason)
	return !errors.Is(err, ErrClosed)
}

// linger writes what is left, sends FIN, and drops what still comes.
func (r *reader) linger() {
	c := r.c
	r.frames.free()
	buf := netio.NewBuffer()
	defer buf.Free()
	c.nc.SetReadDeadline(c.nc.Now() + int64(flushTime))
	for c.unwritten() {
		if _, err := c.nc.Read(buf.B); err != nil && !errors.Is(err, netio.ErrInterrupted) {
			return
		}
	}
	_ = c.nc.CloseWrite() // what it says, the reads below say too
	_, _ = c.w.Try(nil)   // the close_notify of TLS
	c.nc.SetReadDeadline(c.nc.Now() + int64(lingerTime))
	for range lingerReads {
		if _, err := c.nc.Read(buf.B); err != nil && !errors.Is(err, netio.ErrInterrupted) {
			return
		}
	}
}

// unwritten tells whether the end of the connection has to wait for a writer, which wakes the reading goroutine when it
// is done.
func (c *Conn) unwritten() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.awaited = c.out.writing
	return c.out.writing
}
