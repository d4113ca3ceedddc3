package http2

import "encoding/binary"

// readSettings takes the peer's SETTINGS (RFC 9113 section 6.5) and acknowledges them.
func (c *Conn) readSettings(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return connError(ProtocolError, "SETTINGS on a stream")
	case f.has(flagAck) && len(p) != 0, len(p)%6 != 0:
		return connError(FrameSizeError, "SETTINGS of a wrong size")
	case f.has(flagAck):
		c.acknowledged()
		return nil
	case len(p) > 6*64:
		return c.flooded(LimitControl)
	}
	c.settled = true
	c.mu.Lock()
	old := c.peerWindow
	for ; len(p) > 0; p = p[6:] {
		if err := c.set(setting{binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])}); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	c.appendControl(frameHeaderLen)
	c.out = appendFrame(c.out, frame{0, frameSettings, flagAck, 0})
	c.peerSet = true
	c.roomMade()
	return c.rewindow(c.peerWindow - old)
}

// set takes one setting. Called with the lock held.
func (c *Conn) set(s setting) error {
	switch s.id {
	case settingHeaderTableSize:
		c.enc.setLimit(s.value)
	case settingEnablePush:
		if s.value > 1 || c.client && s.value == 1 {
			return connError(ProtocolError, "SETTINGS_ENABLE_PUSH that is not allowed")
		}
	case settingMaxConcurrentStreams:
		c.peerStreams = int(min(s.value, maxStreamID))
	case settingInitialWindowSize:
		if s.value > maxWindow {
			return connError(FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE too large")
		}
		c.peerWindow = int(s.value)
	case settingMaxFrameSize:
		if s.value < maxFrame || s.value > 1<<24-1 {
			return connError(ProtocolError, "SETTINGS_MAX_FRAME_SIZE out of range")
		}
	case settingMaxHeaderListSize:
		c.peerHeadBytes = int(s.value)
	}
	return nil
}

// rewindow moves the windows of all streams by delta (RFC 9113 section 6.9.2) and tells those that were waiting. Called with the lock
// held, which it gives up.
func (c *Conn) rewindow(delta int) error {
	var waiting []*Stream
	if delta != 0 {
		for _, s := range c.streams {
			if s.send += delta; s.send > maxWindow {
				c.leave(&c.batch)
				return connError(FlowControlError, "window too large")
			}
			if s.waiting && s.send > 0 {
				waiting = append(waiting, s)
			}
		}
	}
	c.leave(&c.batch)
	for _, s := range waiting {
		c.mu.Lock()
		if s.gone || !s.waiting {
			c.mu.Unlock()
			continue
		}
		c.widen(s, 0)
	}
	return nil
}

// acknowledged notes that the peer goes by our SETTINGS now.
func (c *Conn) acknowledged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settingsAt == 0 {
		return
	}
	c.settingsAt = 0
	if delta := c.opt.firstWindow() - c.ourWindow; delta < 0 {
		c.ourWindow = c.opt.firstWindow()
		for _, s := range c.streams {
			s.window += delta
		}
	}
}

// The data of our own PINGs, to tell their answers apart.
var (
	pingAlive = [8]byte{'a', 'l', 'i', 'v', 'e', '?'}
	pingDrain = [8]byte{'d', 'r', 'a', 'i', 'n'}
)

func (c *Conn) readPing(f frame, p []byte) error {
	switch {
	case len(p) != 8:
		return connError(FrameSizeError, "PING of a wrong size")
	case f.stream != 0:
		return connError(ProtocolError, "PING on a stream")
	}
	c.mu.Lock()
	data := [8]byte(p)
	switch {
	case !f.has(flagAck):
		c.appendControl(frameHeaderLen + 8)
		c.out = appendPing(c.out, true, data)
	case data == pingDrain && c.drain == drainFirst:
		c.sayLast()
		if len(c.streams) == 0 {
			c.leave(&c.batch)
			return ErrDrained
		}
	}
	c.leave(&c.batch)
	return nil
}

// readGoAway takes the peer's GOAWAY (RFC 9113 section 6.8): no more streams, and those above its last one were not processed.
func (c *Conn) readGoAway(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return connError(ProtocolError, "GOAWAY on a stream")
	case len(p) < 8:
		return connError(FrameSizeError, "GOAWAY of a wrong size")
	}
	last, code := binary.BigEndian.Uint32(p)&maxStreamID, ErrCode(binary.BigEndian.Uint32(p[4:]))
	c.mu.Lock()
	c.peerGone = true
	c.roomGone()
	if code != NoError && c.why == nil {
		c.why = &ConnError{Code: code, Remote: true}
	}
	var lost []*Stream
	if c.client {
		for id, s := range c.streams {
			if id > last {
				lost = append(lost, s)
				s.remove()
			}
		}
	}
	none := len(c.streams) == 0
	c.leave(&c.batch)
	for _, s := range lost {
		s.recv.Reset(&c.batch, s, RefusedStream, ErrUnprocessed)
	}
	if none {
		return ErrDrained
	}
	return nil
}
