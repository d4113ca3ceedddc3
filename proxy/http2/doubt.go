package http2

import (
	"sync/atomic"
	"time"
)

// doubt is whether the peer of a client's connection may be gone: something took too long, and nothing at all was read
// meanwhile. Then the connection takes no new streams until the peer is heard of, so that requests go elsewhere. The
// peer is sent a PING; when nothing at all comes back the connection ends after Options.PingTimeout, with ErrSilent. A
// path that goes silent without FIN or RST is found in no other way before the kernel gives up, which takes minutes.
type doubt struct {
	lastRead atomic.Int64 // on the clock of netio.Sweeper.Now
	pending  atomic.Bool  // changed under the connection's lock

	// What follows is guarded by the connection's lock.
	owedSince int64 // when a stream was opened behind which nothing was read; before lastRead: nothing is owed
	pings     int   // how many the peer got since its last response head
}

const (
	// doubtAfter is how long a peer may owe a response before a request that is given up is a reason to doubt it.
	doubtAfter = int64(time.Second)
	// maxDoubts is how many PINGs requests that are given up are worth while the peer sends no response head. Servers
	// of gRPC end a connection with the fourth PING within minutes that no head or data was between.
	maxDoubts = 3
)

// heard notes that bytes have come, and tells whether the connection was doubted.
func (d *doubt) heard(now int64) bool {
	d.lastRead.Store(now)
	return d.pending.Load()
}

// owe notes that the peer has been sent a request.
func (d *doubt) owe(now int64) {
	if read := d.lastRead.Load(); d.owedSince <= read {
		d.owedSince = max(now, read+1)
	}
}

// Doubt says that the peer owed something on the stream since that moment, and has not sent it in time. If nothing was
// read from the connection since then, the connection takes no new streams until the peer has been heard of. Client
// only.
func (s *Stream) Doubt(since int64) {
	s.c.mu.Lock()
	s.doubt(since)
	s.c.leave(nil)
}

// doubt is Doubt with the lock held.
//
// +checklocks:s.c.mu
func (s *Stream) doubt(since int64) {
	c := s.c
	if c.doubt.lastRead.Load() >= since || c.end.err != nil || c.doubt.pending.Load() {
		return
	}
	c.doubt.pending.Store(true)
	c.ping()
}

// givenUp doubts the peer of a client's connection when a request is given up that waits for it. Whoever asked may have
// less patience than any timeout here. It comes before RST_STREAM, for servers of gRPC grant fewer PINGs where no
// stream is open.
//
// +checklocks:s.c.mu
func (s *Stream) givenUp() {
	c := s.c
	waits := !s.begun && (s.state == streamLocalEnded || s.flow.waiting)
	if c.client && waits && c.doubt.pings < maxDoubts && c.nc.Now()-c.doubt.owedSince >= doubtAfter {
		s.doubt(c.doubt.owedSince)
	}
}

// ping asks the peer whether it is there, unless it has been asked.
//
// +checklocks:c.mu
func (c *Conn) ping() {
	if c.timers.pongAt != 0 {
		return
	}
	c.doubt.pings++
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
