package http2

import "slices"

// wait notes that s has data that did not go out. progress tells that some of it just did. Called with the lock held.
func (c *Conn) wait(s *Stream, progress bool) {
	s.waiting = true
	if s.send > 0 && !s.queued {
		c.enqueue(s)
	}
	if s.send > 0 && c.send > 0 {
		c.full = true // only room in the out buffer is missing: that is the socket's stall, and write timeouts are for that
		s.stallAt = 0
		return
	}
	if s.stall > 0 && (progress || s.stallAt == 0) {
		s.stallAt = c.nc.Now() + int64(s.stall)
		c.wakeBy(s.stallAt)
	}
}

// enqueue puts s behind the streams that wait for the connection. Those that are gone are weeded out before they are the greater part.
func (c *Conn) enqueue(s *Stream) {
	if len(c.blocked) > 2*len(c.streams)+8 {
		c.blocked = slices.DeleteFunc(c.blocked, func(s *Stream) bool { return s.gone })
	}
	s.queued = true
	c.blocked = append(c.blocked, s)
}

// wakeBlocked asks the streams that wait for the connection for more, first come first served. Reading goroutine only.
func (c *Conn) wakeBlocked() {
	c.mu.Lock()
	for range len(c.blocked) {
		if c.send <= 0 {
			break
		}
		if len(c.out) > outBytes/2 && c.writing {
			c.full = true
			break
		}
		s := c.blocked[0]
		c.blocked[0] = nil
		c.blocked = c.blocked[1:]
		s.queued = false
		if !s.waiting || s.gone || s.send <= 0 {
			continue // the last of them hears from its own window
		}
		s.waiting = false
		c.mu.Unlock()
		s.recv.Writable(&c.batch, s)
		c.mu.Lock()
	}
	if len(c.blocked) == 0 {
		c.blocked = nil
	}
	c.mu.Unlock()
}

// widen adds n to the stream's window and tells its owner, if it waits for that. Reading goroutine; called with the lock held, which it
// gives up.
func (c *Conn) widen(s *Stream, n int) {
	s.send += n
	tell := s.waiting && s.send > 0 && !s.queued
	if tell && (c.send <= 0 || c.writing && len(c.out) > outBytes/2) {
		c.enqueue(s)
		c.full = c.full || c.send > 0
		tell = false
	}
	if tell {
		s.waiting = false
	}
	c.leave(&c.batch)
	if tell {
		s.recv.Writable(&c.batch, s)
	}
}

// giveBack counts n bytes as consumed on the connection, and announces them once they are half of the window.
func (c *Conn) giveBack(n int) {
	if n == 0 || c.dead {
		return
	}
	c.credit += n
	if c.credit >= c.opt.ConnWindow/2 {
		c.appendControl(13)
		c.out = appendWindowUpdate(c.out, 0, c.credit)
		c.window += c.credit
		c.credit = 0
	}
}
