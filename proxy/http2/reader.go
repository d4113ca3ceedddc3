package http2

import "encoding/binary"

// ingest handles every whole frame that is held.
func (c *Conn) ingest() (err error) {
	defer c.survive(&err)
	if c.preface > 0 {
		if err = c.readPreface(); err != nil || c.preface > 0 {
			return err
		}
	}
	for c.wr-c.r >= frameHeaderLen {
		f := parseFrame(c.in.B[c.r:])
		if f.length > maxFrame {
			return connError(FrameSizeError, "frame larger than SETTINGS_MAX_FRAME_SIZE")
		}
		end := c.r + frameHeaderLen + int(f.length)
		if end > c.wr {
			return nil
		}
		p := c.in.B[c.r+frameHeaderLen : end : end]
		c.r = end
		if err = c.handle(f, p); err != nil {
			return err
		}
		if c.block == nil {
			c.partAt = 0
		}
	}
	return nil
}

// readPreface compares what is held with the rest of the client's preface.
func (c *Conn) readPreface() error {
	for c.r < c.wr && c.preface > 0 {
		if c.in.B[c.r] != Preface[len(Preface)-c.preface] {
			return connError(ProtocolError, "no HTTP/2 preface")
		}
		c.r++
		c.preface--
	}
	return nil
}

// handle takes one frame (RFC 9113 section 6).
func (c *Conn) handle(f frame, p []byte) error {
	if c.block != nil && (f.typ != frameContinuation || f.stream != c.block.stream) {
		return connError(ProtocolError, "frame inside a header block")
	}
	if !c.settled && (f.typ != frameSettings || f.has(flagAck)) {
		return connError(ProtocolError, "first frame that is not SETTINGS")
	}
	switch f.typ {
	case frameData:
		return c.readData(f, p)
	case frameHeaders:
		return c.readHeaders(f, p)
	case frameContinuation:
		return c.readContinuation(f, p)
	case frameWindowUpdate:
		return c.readWindowUpdate(f, p)
	case frameRSTStream:
		return c.readReset(f, p)
	}
	// What is left makes no progress by itself.
	c.mu.Lock()
	calm := c.flood.control(c.nc.Now)
	c.mu.Unlock()
	if !calm {
		return c.flooded(LimitControl)
	}
	switch f.typ {
	case frameSettings:
		return c.readSettings(f, p)
	case framePing:
		return c.readPing(f, p)
	case frameGoAway:
		return c.readGoAway(f, p)
	case framePriority:
		return c.readPriority(f, p)
	case framePushPromise:
		return connError(ProtocolError, "PUSH_PROMISE, which is not enabled")
	}
	return nil // unknown types are ignored, section 5.5
}

// flooded ends a connection that only makes work.
func (c *Conn) flooded(l Limit) error {
	c.opt.Count(l)
	return connError(EnhanceYourCalm, "too much of: "+l.String())
}

// isIdle tells whether no stream of that number has been opened yet (RFC 9113 section 5.1). Called with the lock held.
func (c *Conn) isIdle(id uint32) bool { return id > c.lastID || id&1 == 0 }

func (c *Conn) readData(f frame, p []byte) error {
	if f.stream == 0 {
		return connError(ProtocolError, "DATA on stream 0")
	}
	body, ok := unpad(f, p)
	if !ok {
		return connError(ProtocolError, "padding longer than its frame")
	}
	end := f.has(flagEndStream)
	c.mu.Lock()
	if len(p) > c.window {
		c.mu.Unlock()
		return connError(FlowControlError, "DATA beyond the connection's window")
	}
	c.window -= len(p)
	if len(body) > 0 {
		c.flood.useful(1)
	} else if !end && !c.flood.control(c.nc.Now) {
		c.mu.Unlock()
		return c.flooded(LimitControl)
	}
	s := c.streams[f.stream]
	if s == nil {
		return c.strayData(f, len(p))
	}
	if code, reason := s.checkData(len(p), len(body), end); code != NoError {
		c.giveBack(len(p))
		return c.reject(s, code, reason)
	}
	s.window -= len(p)
	s.held += len(body)
	if pad := len(p) - len(body); pad > 0 {
		s.giveBack(pad)
		c.giveBack(pad)
	}
	if end {
		s.endRemote()
	}
	c.leave(&c.batch)
	s.recv.Data(&c.batch, s, body, end)
	return nil
}

// checkData tells what is wrong with n bytes of DATA that carry so much body.
func (s *Stream) checkData(n, body int, end bool) (ErrCode, string) {
	switch {
	case s.remoteEnd:
		return StreamClosed, "DATA behind END_STREAM"
	case n > s.window:
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

// strayData takes DATA for a stream that is not there. Called with the lock held, which it gives up.
func (c *Conn) strayData(f frame, n int) error {
	c.giveBack(n)
	switch {
	case c.isIdle(f.stream):
		c.leave(&c.batch)
		return connError(ProtocolError, "DATA on a stream that was not opened")
	case c.client || c.wasReset(f.stream) || c.drain == drainLast && f.stream > c.goneLast:
		c.leave(&c.batch) // it was on its way when the stream ended
		return nil
	}
	return c.rejectID(f.stream, StreamClosed)
}

// reject ends a stream because of what the peer did on it. Called with the lock held, which it gives up.
func (c *Conn) reject(s *Stream, code ErrCode, reason string) error {
	c.sendReset(s.id, code)
	s.remove()
	calm := c.calm()
	c.leave(&c.batch)
	if s.recv != nil {
		s.recv.Reset(&c.batch, s, code, &StreamError{code, reason})
	}
	if !calm {
		return c.flooded(LimitResets)
	}
	return nil
}

// rejectID is reject for a stream that is not there, or not yet.
func (c *Conn) rejectID(id uint32, code ErrCode) error {
	c.sendReset(id, code)
	calm := c.calm()
	c.leave(&c.batch)
	if !calm {
		return c.flooded(LimitResets)
	}
	return nil
}

// calm notes a stream that ended early by the peer's doing, and tells whether there were not too many yet. Servers are not judged: they
// do not begin streams, and the connection belongs to many clients. Called with the lock held.
func (c *Conn) calm() bool { return c.client || c.flood.reset(c.nc.Now) }

func (c *Conn) readWindowUpdate(f frame, p []byte) error {
	if len(p) != 4 {
		return connError(FrameSizeError, "WINDOW_UPDATE of a wrong size")
	}
	n := int(binary.BigEndian.Uint32(p) & maxWindow)
	c.mu.Lock()
	if !c.flood.control(c.nc.Now) {
		c.mu.Unlock()
		return c.flooded(LimitControl)
	}
	if f.stream == 0 {
		return c.widenConn(n)
	}
	s := c.streams[f.stream]
	switch {
	case s == nil && c.isIdle(f.stream):
		c.mu.Unlock()
		return connError(ProtocolError, "WINDOW_UPDATE on a stream that was not opened")
	case s == nil && n == 0: // there is no stream left to reset, and no peer means this
		c.mu.Unlock()
		return connError(ProtocolError, "WINDOW_UPDATE of nothing")
	case s == nil:
		c.mu.Unlock() // it was on its way when the stream ended
		return nil
	case n == 0:
		return c.reject(s, ProtocolError, "WINDOW_UPDATE of nothing")
	case s.send+n > maxWindow:
		return c.reject(s, FlowControlError, "window too large")
	}
	c.widen(s, n)
	return nil
}

// widenConn adds n to the connection's window. Called with the lock held, which it gives up.
func (c *Conn) widenConn(n int) error {
	if n == 0 {
		c.mu.Unlock()
		return connError(ProtocolError, "WINDOW_UPDATE of nothing")
	}
	c.send += n
	over, waiting := c.send > maxWindow, len(c.blocked) > 0
	c.mu.Unlock()
	if over {
		return connError(FlowControlError, "window too large")
	}
	if waiting {
		c.wakeBlocked()
	}
	return nil
}

func (c *Conn) readReset(f frame, p []byte) error {
	if len(p) != 4 {
		return connError(FrameSizeError, "RST_STREAM of a wrong size")
	}
	c.mu.Lock()
	s := c.streams[f.stream]
	switch {
	case s == nil && (f.stream == 0 || c.isIdle(f.stream)):
		c.mu.Unlock()
		return connError(ProtocolError, "RST_STREAM on a stream that was not opened")
	case s == nil:
		calm := c.flood.control(c.nc.Now)
		c.mu.Unlock()
		if !calm {
			return c.flooded(LimitControl)
		}
		return nil
	}
	s.remove()
	calm := c.calm()
	c.leave(&c.batch)
	code, cause := ErrCode(binary.BigEndian.Uint32(p)), ErrReset
	if code == RefusedStream && c.client { // a client has nothing to process
		cause = ErrUnprocessed
	}
	s.recv.Reset(&c.batch, s, code, cause)
	if !calm {
		return c.flooded(LimitResets)
	}
	return nil
}

func (c *Conn) readPriority(f frame, p []byte) error {
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
	c.mu.Lock()
	if s := c.streams[f.stream]; s != nil {
		return c.reject(s, code, reason)
	}
	return c.rejectID(f.stream, code)
}
