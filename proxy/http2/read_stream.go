package http2

import "encoding/binary"

func (r *reader) readData(f frame, p []byte) error {
	if f.stream == 0 {
		return connError(ProtocolError, "DATA on stream 0")
	}
	body, ok := unpad(f, p)
	if !ok {
		return connError(ProtocolError, "padding longer than its frame")
	}
	end := f.has(flagEndStream)
	c := r.c
	c.mu.Lock()
	if len(p) > c.flow.window {
		c.mu.Unlock()
		return connError(FlowControlError, "DATA beyond the connection's window")
	}
	c.flow.window -= len(p)
	if len(body) > 0 {
		c.flood.useful(1)
	} else if !end && !c.flood.control(c.nc.Now) {
		c.mu.Unlock()
		return c.flooded(LimitControl)
	}
	s := c.streams.open[f.stream]
	if s == nil {
		return r.strayData(f, len(p))
	}
	asStream(c, s)
	return s.data(&r.batch, p, body, end)
}

// data takes the payload of one DATA frame, of which body is without the padding.
//
// +checklocksrelease:s.c.mu
func (s *Stream) data(b *Batch, p, body []byte, end bool) error {
	c := s.c
	if code, reason := s.checkData(len(p), len(body), end); code != NoError {
		c.giveBack(len(p))
		return s.reject(b, code, reason)
	}
	s.flow.window -= len(p)
	s.flow.held += len(body)
	if pad := len(p) - len(body); pad > 0 {
		s.giveBack(pad)
		c.giveBack(pad)
	}
	if end {
		s.endRemote()
	}
	c.leave(b)
	s.recv.Data(b, s, body, end)
	return nil
}

// checkData tells what is wrong with n bytes of DATA that carry so much body.
//
// +checklocks:s.c.mu
func (s *Stream) checkData(n, body int, end bool) (ErrCode, string) {
	switch {
	case s.state == streamRemoteEnded:
		return StreamClosed, "DATA behind END_STREAM"
	case n > s.flow.window:
		return FlowControlError, "DATA beyond the stream's window"
	case !s.begun:
		return ProtocolError, "DATA in front of the head"
	case s.noBody && body > 0:
		return ProtocolError, "DATA of a message without a body"
	case s.left >= 0 && int64(body) > s.left:
		return ProtocolError, "more DATA than content-length"
	case s.left >= 0 && end && int64(body) < s.left:
		return ProtocolError, "less DATA than content-length"
	}
	if s.left >= 0 {
		s.left -= int64(body)
	}
	return NoError, ""
}

// strayData takes DATA for a stream that is not there.
//
// +checklocksrelease:r.c.mu
func (r *reader) strayData(f frame, n int) error {
	c := r.c
	c.giveBack(n)
	switch {
	case c.streams.idle(f.stream):
		c.leave(&r.batch)
		return connError(ProtocolError, "DATA on a stream that was not opened")
	case c.client || c.streams.wasReset(f.stream) || c.drain.refused(f.stream):
		c.leave(&r.batch) // it was on its way when the stream ended
		return nil
	}
	return c.rejectID(&r.batch, f.stream, StreamClosed)
}

func (r *reader) readWindowUpdate(f frame, p []byte) error {
	if len(p) != 4 {
		return connError(FrameSizeError, "WINDOW_UPDATE of a wrong size")
	}
	n := int(binary.BigEndian.Uint32(p) & maxWindow)
	c := r.c
	c.mu.Lock()
	if !c.flood.update(c.nc.Now) {
		c.mu.Unlock()
		return c.flooded(LimitControl)
	}
	if f.stream == 0 {
		return r.widenConn(n)
	}
	s := c.streams.open[f.stream]
	if s == nil {
		idle := c.streams.idle(f.stream)
		c.mu.Unlock()
		switch {
		case idle:
			return connError(ProtocolError, "WINDOW_UPDATE on a stream that was not opened")
		case n == 0: // there is no stream left to reset, and no peer means this
			return connError(ProtocolError, "WINDOW_UPDATE of nothing")
		}
		return nil // it was on its way when the stream ended
	}
	asStream(c, s)
	switch {
	case n == 0:
		return s.reject(&r.batch, ProtocolError, "WINDOW_UPDATE of nothing")
	case s.flow.send+n > maxWindow:
		return s.reject(&r.batch, FlowControlError, "window too large")
	}
	s.widen(&r.batch, n)
	return nil
}

func (r *reader) readReset(f frame, p []byte) error {
	if len(p) != 4 {
		return connError(FrameSizeError, "RST_STREAM of a wrong size")
	}
	c := r.c
	c.mu.Lock()
	s := c.streams.open[f.stream]
	if s == nil {
		idle := f.stream == 0 || c.streams.idle(f.stream)
		c.mu.Unlock()
		switch {
		case idle:
			return connError(ProtocolError, "RST_STREAM on a stream that was not opened")
		case !c.allow():
			return c.flooded(LimitControl)
		}
		return nil
	}
	asStream(c, s)
	s.remove(false)
	asConn(s, c)
	allowed := c.resetsAllowed()
	code, cause := ErrCode(binary.BigEndian.Uint32(p)), ErrReset
	if code == RefusedStream && c.client { // a client has nothing to process
		cause = ErrUnprocessed
		if c.peer.refused++; c.peer.turnsAway(len(c.streams.open)) {
			cause = ErrTurnedAway
		}
	}
	c.leave(&r.batch)
	s.recv.Reset(&r.batch, s, code, cause)
	if !allowed {
		return c.flooded(LimitResets)
	}
	return nil
}

func (r *reader) readPriority(f frame, p []byte) error {
	switch {
	case f.stream == 0:
		return connError(ProtocolError, "PRIORITY on stream 0")
	case len(p) == 5 && binary.BigEndian.Uint32(p)&maxStreamID != f.stream:
		return nil // priorities are not used, RFC 9113 section 5.3.2
	}
	code, reason := ProtocolError, "stream that depends on itself"
	if len(p) != 5 {
		code, reason = FrameSizeError, "PRIORITY of a wrong size"
	}
	c := r.c
	c.mu.Lock()
	s := c.streams.open[f.stream]
	if s == nil {
		return c.rejectID(&r.batch, f.stream, code)
	}
	asStream(c, s)
	return s.reject(&r.batch, code, reason)
}
