package http2

import "github.com/fabian4/gateway-homebrew-go/internal/netio"

// timers is what the reading goroutine has to do at which time, on the clock of netio.Sweeper.Now; 0 is never. The
// times of the streams are theirs; wakeAt counts those too. Guarded by the connection's lock.
type timers struct {
	nc         *netio.Conn
	wakeAt     int64 // when the reading goroutine looks at all times
	settingsAt int64 // our SETTINGS must be acknowledged
	idleAt     int64 // the connection has been idle for too long
	drainAt    int64 // the second GOAWAY is due
	pingAt     int64 // a silent peer is asked whether it is there
	pongAt     int64 // and must have acknowledged
}

// start sets the times of a connection that begins.
func (t *timers) start(now int64, o *Options) {
	t.settingsAt = now + int64(o.SettingsTimeout)
	t.wakeBy(t.settingsAt)
	if o.IdleTimeout > 0 {
		t.idleAt = now + int64(o.IdleTimeout)
		t.wakeBy(t.idleAt)
	}
	if o.PingInterval > 0 {
		t.pingAt = now + int64(o.PingInterval)
		t.wakeBy(t.pingAt)
	}
}

// wakeBy has the reading goroutine look at all times at the latest at the given one.
func (t *timers) wakeBy(at int64) {
	if t.wakeAt == 0 || at < t.wakeAt {
		t.wakeAt = at
		t.nc.SetReadDeadline(at)
	}
}

// woke notes that the reading goroutine looks now. What is to come must ask for another waking.
func (t *timers) woke() {
	t.wakeAt = 0
	t.nc.SetReadDeadline(0)
}

// passed tells whether a time has come; one that has not is waited for.
func (t *timers) passed(at, now int64) bool {
	if at == 0 {
		return false
	}
	if at <= now {
		return true
	}
	t.wakeBy(at)
	return false
}

// tick looks at what may have taken too long. It is called when the reading goroutine was woken by its deadline, and
// asks for the next waking itself. So nothing runs while there is nothing to wait for.
func (r *reader) tick() (err error) {
	defer r.recoverPanic(&err)
	c := r.c
	now := c.nc.Now()
	c.mu.Lock()
	c.timers.woke()
	if err = r.tickConn(now); err != nil {
		c.leave(&r.batch)
		return err
	}
	due := r.due[:0]
	for _, s := range c.streams.open {
		asStream(c, s)
		if s.isDue(now) {
			due = append(due, s)
		}
		asConn(s, c)
	}
	c.leave(&r.batch)
	for i, s := range due {
		s.tick(&r.batch, now)
		due[i] = nil
	}
	r.due = due[:0]
	return nil
}

// tickConn looks at the connection's own times.
//
// +checklocks:r.c.mu
func (r *reader) tickConn(now int64) error {
	c := r.c
	t := &c.timers
	switch {
	case t.passed(t.settingsAt, now):
		c.opt.Count(LimitSilence)
		return connError(SettingsTimeout, "SETTINGS not acknowledged in time")
	case t.passed(r.partAt, now):
		c.opt.Count(LimitSilence)
		return ErrSilent
	case t.passed(t.idleAt, now) && len(c.streams.open) == 0:
		if c.end.err == nil {
			c.end.err = ErrIdle // Open must know before it sends another request after this
		}
		return c.end.err
	}
	if t.passed(t.drainAt, now) {
		c.sendLastGoAway()
		if len(c.streams.open) == 0 {
			return ErrDrained
		}
	}
	return r.tickPing(now)
}

// tickPing asks a peer that has been silent whether it is there, while streams wait for it.
//
// +checklocks:r.c.mu
func (r *reader) tickPing(now int64) error {
	c := r.c
	t := &c.timers
	if t.pongAt != 0 && c.doubt.lastRead.Load() >= t.pongAt-int64(c.opt.PingTimeout) {
		t.pongAt = 0 // anything that came is a response
	}
	if t.passed(t.pongAt, now) {
		c.opt.Count(LimitSilence)
		return ErrSilent
	}
	if c.opt.PingInterval == 0 || !t.passed(t.pingAt, now) {
		return nil
	}
	t.pingAt = c.doubt.lastRead.Load() + int64(c.opt.PingInterval)
	if t.pingAt <= now {
		t.pingAt = now + int64(c.opt.PingInterval)
		if len(c.streams.open) > 0 {
			c.ping()
		}
	}
	t.wakeBy(t.pingAt)
	return nil
}

// isDue tells whether one of the stream's times has come.
//
// +checklocks:s.c.mu
func (s *Stream) isDue(now int64) bool {
	t := &s.c.timers
	// No short cut: both must ask for their waking.
	stalled, late := t.passed(s.flow.stallAt, now), t.passed(s.deadline, now)
	return stalled || late
}

// tick ends a stream that stalled, or tells its owner that its deadline has passed.
func (s *Stream) tick(b *Batch, now int64) {
	c := s.c
	c.mu.Lock()
	if s.state == streamGone {
		c.mu.Unlock()
		return
	}
	if s.flow.stallAt != 0 && s.flow.stallAt <= now {
		if c.client {
			s.doubt(s.flow.stallAt - s.flow.stall)
		}
		c.sendReset(s.id, Cancel)
		s.remove(false)
		c.leave(b)
		c.opt.Count(LimitStall)
		s.recv.Reset(b, s, Cancel, ErrStalled)
		return
	}
	late := s.deadline != 0 && s.deadline <= now
	if late {
		s.deadline = 0
	}
	c.mu.Unlock()
	if late {
		s.recv.Timeout(b, s)
	}
}
