package http2

// wakeBy has the reading goroutine look at all moments at the latest at the given one. Called with the lock held.
func (c *Conn) wakeBy(at int64) {
	if c.wakeAt == 0 || at < c.wakeAt {
		c.wakeAt = at
		c.nc.SetReadDeadline(at)
	}
}

// passed tells whether a moment has come; one that has not is waited for.
func (c *Conn) passed(at, now int64) bool {
	if at == 0 {
		return false
	}
	if at <= now {
		return true
	}
	c.wakeBy(at)
	return false
}

// tick looks at what may have taken too long. It is called when the reading goroutine was woken by its deadline, and asks for the next
// waking itself, so nothing runs while there is nothing to wait for.
func (c *Conn) tick() (err error) {
	defer c.survive(&err)
	now := c.nc.Now()
	c.mu.Lock()
	c.wakeAt = 0
	c.nc.SetReadDeadline(0)
	if err = c.tickConn(now); err != nil {
		c.leave(&c.batch)
		return err
	}
	due := c.due[:0]
	for _, s := range c.streams {
		// No short cut: both moments must ask for their waking.
		stalled, late := c.passed(s.stallAt, now), c.passed(s.deadline, now)
		if stalled || late {
			due = append(due, s)
		}
	}
	c.leave(&c.batch)
	for i, s := range due {
		c.tickStream(s, now)
		due[i] = nil
	}
	c.due = due[:0]
	return nil
}

// tickConn looks at the connection's own moments.
func (c *Conn) tickConn(now int64) error {
	switch {
	case c.passed(c.settingsAt, now):
		c.opt.Count(LimitSilence)
		return connError(SettingsTimeout, "SETTINGS not acknowledged in time")
	case c.passed(c.partAt, now):
		c.opt.Count(LimitSilence)
		return ErrSilent
	case c.passed(c.idleAt, now) && len(c.streams) == 0:
		if c.err == nil {
			c.err = ErrIdle // Open must know before it sends another request after this
		}
		return c.err
	}
	if c.passed(c.drainAt, now) {
		c.sayLast()
		if len(c.streams) == 0 {
			return ErrDrained
		}
	}
	return c.tickPing(now)
}

// tickPing asks a peer that has been silent whether it is there, while streams wait for it.
func (c *Conn) tickPing(now int64) error {
	if c.pongAt != 0 && c.lastRead >= c.pongAt-int64(c.opt.PingTimeout) {
		c.pongAt = 0 // anything that came is an answer
	}
	if c.passed(c.pongAt, now) {
		c.opt.Count(LimitSilence)
		return ErrSilent
	}
	if !c.passed(c.pingAt, now) {
		return nil
	}
	c.pingAt = c.lastRead + int64(c.opt.PingInterval)
	if c.pingAt <= now {
		c.pingAt = now + int64(c.opt.PingInterval)
		if len(c.streams) > 0 && c.pongAt == 0 {
			c.appendControl(frameHeaderLen + 8)
			c.out = appendPing(c.out, false, pingAlive)
			c.pongAt = now + int64(c.opt.PingTimeout)
			c.wakeBy(c.pongAt)
		}
	}
	c.wakeBy(c.pingAt)
	return nil
}

// tickStream ends a stream that stalled, or tells its owner that its deadline has passed.
func (c *Conn) tickStream(s *Stream, now int64) {
	c.mu.Lock()
	if s.gone {
		c.mu.Unlock()
		return
	}
	if s.stallAt != 0 && s.stallAt <= now {
		c.sendReset(s.id, Cancel)
		s.remove()
		c.leave(&c.batch)
		c.opt.Count(LimitStall)
		s.recv.Reset(&c.batch, s, Cancel, ErrStalled)
		return
	}
	late := s.deadline != 0 && s.deadline <= now
	if late {
		s.deadline = 0
	}
	c.mu.Unlock()
	if late {
		s.recv.Timeout(&c.batch, s)
	}
}

// woken looks at what another goroutine has woken the reading one for.
func (c *Conn) woken() (err error) {
	defer c.survive(&err)
	c.mu.Lock()
	err = c.err
	if err == nil && len(c.streams) == 0 && (c.drain == drainLast || c.peerGone) {
		err = ErrDrained
	}
	c.mu.Unlock()
	if err == nil {
		c.wakeBlocked()
	}
	return err
}
