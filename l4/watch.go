package l4

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// period is how often all connections are looked at, and so how late a timeout may be.
const period = 100 * time.Millisecond

// watch ends connections whose time is over, and passes on how many bytes have flowed, until the server's context ends. Without connections
// it rests.
func (s *Server) watch() {
	defer close(s.watched)
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
		}
		if s.look(time.Now()) > 0 {
			continue
		}
		t.Stop()
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		}
		t.Reset(period)
	}
}

// look looks at all connections once, and reports how many there are.
func (s *Server) look(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.look(now)
	}
	return len(s.live)
}

// look ends the connection if its time is over. Whether bytes have flowed is seen from their number, so that the pumps need no clock.
func (c *conn) look(now time.Time) {
	if c.set.max > 0 && now.Sub(c.start) >= c.set.max {
		c.stop(telemetry.DT)
		return
	}
	if !c.flowing.Load() {
		return
	}
	if c.count() {
		c.last = now
	}
	if c.set.idle > 0 && now.Sub(c.last) >= c.set.idle {
		c.stop(telemetry.SI)
	}
}

// count passes on how many bytes have flowed since the last time, and reports whether there were any.
func (c *conn) count() bool {
	there, back := c.there.moved.Load(), c.back.moved.Load()
	if there == c.seen[0] && back == c.seen[1] {
		return false
	}
	c.to.tele.ToUpstream.Add(there - c.seen[0])
	c.to.tele.ToDownstream.Add(back - c.seen[1])
	c.seen = [2]int64{there, back}
	return true
}
