package l4

import (
	"context"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// period is how often all connections are looked at, and so how late a timeout may be.
	period = 100 * time.Millisecond
	// gonePeriods is in every how many of them a half-ended connection is asked whether it is gone: about once a
	// second.
	gonePeriods = 10
	// proofAfter is how long an endpoint that took bytes must not break off, to be taken for well without a byte back.
	proofAfter = time.Second
)

// watch ends connections whose time is over or whose half-ended side is gone. It passes on how many bytes have flowed,
// until the server's context ends. Without connections it rests.
func (s *connections) watch(ctx context.Context) {
	defer close(s.watched)
	netio.Every(ctx, period, s.wake, func() int { return s.check(time.Now()) })
}

// check looks at all connections once, and reports how many there are.
func (s *connections) check(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks++
	for c := range s.live {
		c.check(now, (s.checks+c.shard)%gonePeriods == 0) // some of them each time
	}
	return len(s.live)
}

// check ends the connection if its time is over, or, where gone asks for that, if a half-ended side is gone. Whether
// bytes have flowed is seen from their number, so that the pumps need no clock.
func (c *conn) check(now time.Time, gone bool) {
	defer c.recovered()
	if c.set.max > 0 && now.Sub(c.start) >= c.set.max {
		c.stop(telemetry.DT)
		return
	}
	if !c.flowing.Load() {
		return
	}
	if c.count() {
		c.watched.last = now
	}
	c.judge(now)
	if c.set.idle > 0 && now.Sub(c.watched.last) >= c.set.idle {
		c.stop(telemetry.SI)
	}
	if gone {
		c.checkGone()
	}
}

// judge reports success, once, where an endpoint that is probed took bytes a while ago and has sent nothing since. Such
// a connection may last for hours, as those to syslog do, and the endpoint is to be used meanwhile. Only a probe counts
// so: else an endpoint that takes what comes, is silent for long and resets would have no failures in a row.
func (c *conn) judge(now time.Time) {
	w := &c.watched
	switch {
	case w.judged || w.seen[0] == 0:
	case w.taken.IsZero():
		w.taken = now
	case now.Sub(w.taken) >= proofAfter:
		w.judged = true
		if ep := c.attempt.ep; w.seen[1] == 0 && ep.Probing() {
			ep.Report(cluster.Success)
		}
	}
}

// checkGone ends the connection if a side that has ended its direction has broken off since. Nobody reads from it any
// more, and while the other side is silent nobody writes to it. So nobody else would notice.
func (c *conn) checkGone() {
	_, server := c.ending()
	switch {
	case c.there.ended.Load() && brokeOff(raw(c.socket), &c.back):
		c.stop(telemetry.DC)
	case c.back.ended.Load() && brokeOff(raw(server), &c.there):
		c.stop(telemetry.UC)
	}
}

// count passes on how many bytes have flowed since the last time, and reports whether there were any.
func (c *conn) count() bool {
	there, back := c.there.moved.Load(), c.back.moved.Load()
	seen, tele := &c.watched.seen, c.attempt.to.tele
	if there == seen[0] && back == seen[1] {
		return false
	}
	tele.ToUpstream.Add(there - seen[0])
	tele.ToDownstream.Add(back - seen[1])
	*seen = [2]int64{there, back}
	return true
}
