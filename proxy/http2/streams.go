package http2

import "slices"

// streamTable is the streams of a connection, and what is remembered of those that were. Guarded by the connection's
// lock.
type streamTable struct {
	open    map[uint32]*Stream
	heads   int      // bytes of heads and trailers that they hold
	lastID  uint32   // the last stream opened, by whichever side is the client
	skipped uint32   // the highest number that the client passed over
	resets  []uint32 // a ring of the streams that this side reset; server side
	resetAt int
}

// idle tells whether no stream of that number has been opened yet (RFC 9113 section 5.1).
func (t *streamTable) idle(id uint32) bool { return id > t.lastID || id&1 == 0 }

// begun notes the number of a stream that the client opens.
func (t *streamTable) begun(id uint32) {
	if id > t.lastID+2 || t.lastID == 0 && id > 1 {
		t.skipped = id - 2
	}
	t.lastID = id
}

// next is the number of the stream that a client opens next.
func (t *streamTable) next() uint32 {
	if t.lastID == 0 {
		t.lastID = 1
	} else {
		t.lastID += 2
	}
	return t.lastID
}

// noteReset remembers that this side reset the stream, so that what is on its way for it is no error.
func (t *streamTable) noteReset(id uint32, most int) {
	if t.resets == nil {
		t.resets = make([]uint32, max(remembered, most))
	}
	t.resets[t.resetAt%len(t.resets)] = id
	t.resetAt++
}

// wasReset tells whether this side reset the stream lately.
func (t *streamTable) wasReset(id uint32) bool { return slices.Contains(t.resets, id) }

// newStream lists a stream.
//
// +checklocks:c.mu
func (c *Conn) newStream(id uint32) *Stream {
	s := &Stream{c: c, id: id, left: -1, flow: streamFlow{
		send: c.peer.window, window: c.flow.newWindow, most: c.opt.firstWindow, stall: int64(c.opt.StallTimeout),
	}}
	c.streams.open[id] = s
	c.timers.idleAt = 0
	return s
}

// streamGone looks what the end of a stream means for the connection.
//
// +checklocks:c.mu
func (c *Conn) streamGone() {
	c.placeFree()
	switch {
	case len(c.streams.open) > 0 || c.end.state != connOpen:
	case c.drain.finishing():
		c.nc.Interrupt() // nothing is left to wait for
	case c.opt.IdleTimeout > 0:
		c.timers.idleAt = c.nc.Now() + int64(c.opt.IdleTimeout)
		c.timers.wakeBy(c.timers.idleAt)
	}
}

// sendReset appends RST_STREAM, and remembers the stream. A client needs no memory of it: what comes for a stream that
// is gone is ignored there.
//
// +checklocks:c.mu
func (c *Conn) sendReset(id uint32, code ErrCode) {
	c.appendControl(13)
	c.out.b = appendRSTStream(c.out.b, id, code)
	if !c.client {
		c.streams.noteReset(id, c.opt.MaxStreams)
	}
}
