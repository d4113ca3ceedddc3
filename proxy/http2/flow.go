package http2

import "slices"

// connFlow is the connection's windows (RFC 9113 section 6.9). Guarded by the connection's lock.
type connFlow struct {
	send   int // for what we send
	window int // what the peer may still send
	credit int // consumed and not announced yet
	// newWindow is a new stream's window for what the peer sends: that of the protocol until our SETTINGS are
	// acknowledged.
	newWindow int
	// wide is how many of the next streams to an endpoint get a wide window at once: it has sent large responses.
	wide    int
	blocked []*Stream // wait for the connection's window or for room in the out buffer, in the order they came
}

// giveBack counts n bytes as consumed on the connection, and announces them once they are half of the window.
//
// +checklocks:c.mu
func (c *Conn) giveBack(n int) {
	if n == 0 || c.end.state != connOpen {
		return
	}
	c.flow.credit += n
	if c.flow.credit >= c.opt.ConnWindow/2 {
		c.appendControl(13)
		c.out.b = appendWindowUpdate(c.out.b, 0, c.flow.credit)
		c.flow.window += c.flow.credit
		c.flow.credit = 0
	}
}

// wakeBlocked asks the streams that wait for the connection for more, first come first served.
func (r *reader) wakeBlocked() {
	c := r.c
	c.mu.Lock()
	for range len(c.flow.blocked) {
		if c.flow.send <= 0 {
			break
		}
		if len(c.out.b) > outBytes/2 && c.out.writing {
			c.out.awaited = true
			break
		}
		s := c.flow.blocked[0]
		c.flow.blocked[0] = nil
		c.flow.blocked = c.flow.blocked[1:]
		asStream(c, s)
		tell := s.unqueue()
		asConn(s, c)
		if tell {
			c.mu.Unlock()
			s.recv.Writable(&r.batch, s)
			c.mu.Lock()
		}
	}
	if len(c.flow.blocked) == 0 {
		c.flow.blocked = nil
	}
	c.mu.Unlock()
}

// widenConn adds n to the connection's window for what we send.
//
// +checklocksrelease:r.c.mu
func (r *reader) widenConn(n int) error {
	c := r.c
	if n == 0 {
		c.mu.Unlock()
		return connError(ProtocolError, "WINDOW_UPDATE of nothing")
	}
	c.flow.send += n
	over, waiting := c.flow.send > maxWindow, len(c.flow.blocked) > 0
	c.mu.Unlock()
	if over {
		return connError(FlowControlError, "window too large")
	}
	if waiting {
		r.wakeBlocked()
	}
	return nil
}

// streamFlow is the windows of a stream. Guarded by the connection's lock.
type streamFlow struct {
	send    int   // window for what we send; a SETTINGS may make it negative
	window  int   // what the peer may still send,
	most    int   // when nothing is on its way
	credit  int   // consumed and not announced yet
	held    int   // given to the receiver and not consumed yet
	waiting bool  // the owner wants Writable
	queued  bool  // in connFlow.blocked
	stallAt int64 // when waiting for flow control takes too long; 0: nothing waits
	stall   int64 // how long it may take, in nanoseconds; 0: for ever
}

// rest notes that nothing waits for the windows any more.
func (f *streamFlow) rest() { f.waiting, f.stallAt = false, 0 }

// wait notes that s has data that did not go out. progress tells that some of it just did.
//
// +checklocks:s.c.mu
func (s *Stream) wait(progress bool) {
	c := s.c
	s.flow.waiting = true
	if s.flow.send > 0 && !s.flow.queued {
		s.enqueue()
	}
	if s.flow.send > 0 && c.flow.send > 0 {
		// Only room in the out buffer is missing: that is the socket's stall, and write timeouts are for that.
		c.out.awaited = true
		s.flow.stallAt = 0
		return
	}
	if s.flow.stall > 0 && (progress || s.flow.stallAt == 0) {
		s.flow.stallAt = c.nc.Now() + s.flow.stall
		c.timers.wakeBy(s.flow.stallAt)
	}
}

// enqueue puts s behind the streams that wait for the connection. Those that are gone are taken out before they are the
// greater part.
//
// +checklocks:s.c.mu
func (s *Stream) enqueue() {
	f := &s.c.flow
	if len(f.blocked) > 2*len(s.c.streams.open)+8 {
		f.blocked = slices.DeleteFunc(f.blocked, (*Stream).isGone)
	}
	s.flow.queued = true
	f.blocked = append(f.blocked, s)
}

// unqueue takes note that s is the first of connFlow.blocked no more, and reports whether its owner is to be told
// Writable. One that waits for the stream's own window is told when that grows.
//
// +checklocks:s.c.mu
func (s *Stream) unqueue() bool {
	s.flow.queued = false
	if !s.flow.waiting || s.state == streamGone || s.flow.send <= 0 {
		return false
	}
	s.flow.waiting = false
	return true
}

// widen adds n to the stream's window and tells its owner, if it waits for that. Reading goroutine only.
//
// +checklocksrelease:s.c.mu
func (s *Stream) widen(b *Batch, n int) {
	c := s.c
	s.flow.send += n
	tell := s.flow.waiting && s.flow.send > 0 && !s.flow.queued
	if tell && (c.flow.send <= 0 || c.out.writing && len(c.out.b) > outBytes/2) {
		s.enqueue()
		c.out.awaited = c.out.awaited || c.flow.send > 0
		tell = false
	}
	if tell {
		s.flow.waiting = false
	}
	c.leave(b)
	if tell {
		s.recv.Writable(b, s)
	}
}

// giveBack counts n bytes as consumed on the stream, and announces them once they are half of the window. The window
// then grows: to that of the protocol, or to twice of what it was, up to StreamWindow.
//
// +checklocks:s.c.mu
func (s *Stream) giveBack(n int) {
	c := s.c
	if n == 0 || s.state >= streamRemoteEnded || c.end.state != connOpen {
		return
	}
	f := &s.flow
	f.credit += n
	if f.credit < max(1, f.most/2) {
		return
	}
	if f.most < defaultWindow {
		c.flow.wide = wideStreams
	}
	more := s.dst.grantAhead(min(max(2*f.most, defaultWindow), c.opt.StreamWindow) - f.most)
	f.most += more
	c.appendControl(13)
	c.out.b = appendWindowUpdate(c.out.b, s.id, f.credit+more)
	f.window += f.credit + more
	f.credit = 0
}
