package http2

import "encoding/binary"

// readSettings takes the peer's SETTINGS (RFC 9113 section 6.5) and acknowledges them.
func (r *reader) readSettings(f frame, p []byte) error {
	c := r.c
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
	r.gotSettings = true
	c.mu.Lock()
	old := c.peer.window
	for ; len(p) > 0; p = p[6:] {
		s := setting{binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])}
		if s.id == settingHeaderTableSize {
			c.out.enc.setLimit(s.value)
		}
		if err := c.peer.set(s, c.client); err != nil {
			c.mu.Unlock()
			return err
		}
	}
	c.appendControl(frameHeaderLen)
	c.out.b = appendFrame(c.out.b, frame{0, frameSettings, flagAck, 0})
	c.peer.known = true
	c.placeFree()
	return r.rewindow(c.peer.window - old)
}

// rewindow moves the windows of all streams by delta (RFC 9113 section 6.9.2) and tells those that were waiting.
//
// +checklocksrelease:r.c.mu
func (r *reader) rewindow(delta int) error {
	c := r.c
	var waiting []*Stream
	over := false
	if delta != 0 {
		for _, s := range c.streams.open {
			asStream(c, s)
			s.flow.send += delta
			over = over || s.flow.send > maxWindow
			if s.flow.waiting && s.flow.send > 0 {
				waiting = append(waiting, s)
			}
			asConn(s, c)
		}
	}
	c.leave(&r.batch)
	if over {
		return connError(FlowControlError, "window too large")
	}
	for _, s := range waiting {
		s.c.mu.Lock()
		if s.state == streamGone || !s.flow.waiting {
			s.c.mu.Unlock()
			continue
		}
		s.widen(&r.batch, 0)
	}
	return nil
}

// acknowledged notes that the peer goes by our SETTINGS now.
func (c *Conn) acknowledged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timers.settingsAt == 0 {
		return
	}
	c.timers.settingsAt = 0
	if delta := c.opt.firstWindow - c.flow.newWindow; delta < 0 {
		c.flow.newWindow = c.opt.firstWindow
		for _, s := range c.streams.open {
			asStream(c, s)
			s.flow.window += delta
			asConn(s, c)
		}
	}
}

// The data of our own PINGs, to tell their acknowledgements apart.
var (
	pingAlive = [8]byte{'a', 'l', 'i', 'v', 'e', '?'}
	pingDrain = [8]byte{'d', 'r', 'a', 'i', 'n'}
)

func (r *reader) readPing(f frame, p []byte) error {
	switch {
	case len(p) != 8:
		return connError(FrameSizeError, "PING of a wrong size")
	case f.stream != 0:
		return connError(ProtocolError, "PING on a stream")
	}
	c := r.c
	c.mu.Lock()
	data := [8]byte(p)
	drained := false
	switch {
	case !f.has(flagAck):
		c.appendControl(frameHeaderLen + 8)
		c.out.b = appendPing(c.out.b, true, data)
	case data == pingDrain && c.drain.state == drainFirst:
		c.sendLastGoAway()
		drained = len(c.streams.open) == 0
	}
	c.leave(&r.batch)
	if drained {
		return ErrDrained
	}
	return nil
}

// readGoAway takes the peer's GOAWAY (RFC 9113 section 6.8): no more streams, and those above its last one were not
// processed.
func (r *reader) readGoAway(f frame, p []byte) error {
	switch {
	case f.stream != 0:
		return connError(ProtocolError, "GOAWAY on a stream")
	case len(p) < 8:
		return connError(FrameSizeError, "GOAWAY of a wrong size")
	}
	last, code := binary.BigEndian.Uint32(p)&maxStreamID, ErrCode(binary.BigEndian.Uint32(p[4:]))
	c := r.c
	c.mu.Lock()
	c.drain.peerGone = true
	c.places.notifyStarved()
	if code != NoError && c.end.remote == nil {
		c.end.remote = &ConnError{Code: code, Remote: true}
	}
	var lost []*Stream
	if c.client {
		for id, s := range c.streams.open {
			if id > last {
				lost = append(lost, s)
				asStream(c, s)
				s.remove(false)
				asConn(s, c)
			}
		}
	}
	none := len(c.streams.open) == 0
	cause := ErrUnprocessed
	if !c.peer.responded {
		cause = ErrTurnedAway
	}
	c.leave(&r.batch)
	for _, s := range lost {
		s.recv.Reset(&r.batch, s, RefusedStream, cause)
	}
	if none {
		return ErrDrained
	}
	return nil
}
