package http2

import "sync/atomic"

// doubt is whether the peer of a client's connection may be gone: something took too long, and nothing at all was read
// meanwhile. Then the connection takes no new streams until the peer is heard of, so that requests go elsewhere. The
// peer is sent a PING; when nothing at all comes back the connection ends after Options.PingTimeout, with ErrSilent. A
// path that goes silent without FIN or RST is found in no other way before the kernel gives up, which takes minutes.
type doubt struct {
	lastRead atomic.Int64 // on the clock of netio.Sweeper.Now
	pending  atomic.Bool  // changed under the connection's lock
}

// heard notes that bytes have come, and tells whether the connection was doubted.
func (d *doubt) heard(now int64) bool {
	d.lastRead.Store(now)
	return d.pending.Load()
}

// Doubt says that the peer owed something on the stream since that moment, and has not sent it in time. If nothing was
// read from the connection since then, the connection takes no new streams until the peer has been heard of. Client
// only.
func (s *Stream) Doubt(since int64) {
	c := s.c
	if c.doubt.lastRead.Load() >= since {
		return
	}
	c.mu.Lock()
	if c.end.err == nil && !c.doubt.pending.Load() {
		c.doubt.pending.Store(true)
		c.ping()
	}
	c.leave(nil)
}

// ping asks the peer whether it is there, unless it has been asked.
//
// +checklocks:c.mu
func (c *Conn) ping() {
	if c.timers.pongAt != 0 {
		return
	}
	c.appendControl(frameHeaderLen + 8)
	c.out.b = appendPing(c.out.b, false, pingAlive)
	c.timers.pongAt = c.nc.Now() + int64(c.opt.PingTimeout)
	c.timers.wakeBy(c.timers.pongAt)
}

// trust ends the doubt: the peer has been heard of.
func (c *Conn) trust(b *Batch) {
	c.mu.Lock()
	c.doubt.pending.Store(false)
	c.timers.pongAt = 0
	c.placeFree()
	c.leave(b)
}
