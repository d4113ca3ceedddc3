package http2

import (
	"encoding/binary"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// readHeaders begins a header block (RFC 9113 section 6.2).
func (c *Conn) readHeaders(f frame, p []byte) error {
	if f.stream == 0 {
		return connError(ProtocolError, "HEADERS on stream 0")
	}
	p, ok := unpad(f, p)
	if !ok || f.has(flagPriority) && len(p) < 5 {
		return connError(ProtocolError, "padding or priority longer than its frame")
	}
	b := blocks.Get().(*block)
	b.stream, b.end = f.stream, f.has(flagEndStream)
	b.maxBytes, b.maxFields = c.opt.MaxHeaderBytes, c.opt.MaxFields
	c.block = b
	if err := c.classify(b); err != nil {
		return err
	}
	if f.has(flagPriority) {
		if binary.BigEndian.Uint32(p)&maxStreamID == f.stream {
			b.fail("stream that depends on itself")
		}
		p = p[5:]
	}
	c.dec.SetEmitEnabled(true)
	return c.decode(p, f.has(flagEndHeaders))
}

func (c *Conn) readContinuation(f frame, p []byte) error {
	b := c.block
	if b == nil {
		return connError(ProtocolError, "CONTINUATION without a header block")
	}
	if b.frames++; b.frames > blockFrames {
		return c.flooded(LimitContinuation)
	}
	return c.decode(p, f.has(flagEndHeaders))
}

// classify decides what the block is: it is decoded in any case, for the table is shared by all.
func (c *Conn) classify(b *block) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[b.stream]
	switch {
	case s != nil && s.begun:
		b.kind = trailers
	case s != nil:
		b.kind, b.isHead = response, s.isHead
	case c.client && c.isIdle(b.stream):
		return connError(ProtocolError, "HEADERS on a stream that was not opened")
	case c.client:
		b.kind = unwanted
	case b.stream&1 == 0:
		return connError(ProtocolError, "stream of the client with an even number")
	case b.stream > c.lastID:
		b.kind = request
		if c.drain == drainLast {
			b.kind, c.lastID = unwanted, b.stream // our GOAWAY has told the client that it is not processed
		}
	case c.wasReset(b.stream):
		b.kind = unwanted
	case b.stream <= c.skipped:
		return connError(ProtocolError, "stream number that went down")
	default:
		return connError(StreamClosed, "HEADERS on a stream that is over")
	}
	return nil
}

// decode takes a piece of the block, and with the last one the whole message.
func (c *Conn) decode(p []byte, last bool) error {
	b := c.block
	if b.wire += len(p); b.wire > 2*c.opt.MaxHeaderBytes {
		return c.flooded(LimitContinuation)
	}
	if _, err := c.dec.Write(p); err != nil {
		return connError(CompressionError, "header block that is no HPACK")
	}
	if b.large {
		c.dec.SetEmitEnabled(false)
	}
	if !last {
		return nil
	}
	if err := c.dec.Close(); err != nil {
		return connError(CompressionError, "header block that ends too early")
	}
	c.block = nil
	b.finish()
	err := c.deliver(b)
	b.release()
	return err
}

func (c *Conn) deliver(b *block) error {
	if b.large {
		c.opt.Count(LimitHead)
	}
	switch b.kind {
	case request:
		return c.deliverRequest(b)
	case response:
		return c.deliverResponse(b)
	case trailers:
		return c.deliverTrailers(b)
	}
	c.mu.Lock()
	calm := c.flood.control(c.nc.Now)
	c.mu.Unlock()
	if !calm {
		return c.flooded(LimitControl)
	}
	return nil
}

// deliverRequest opens a stream.
func (c *Conn) deliverRequest(b *block) error {
	c.mu.Lock()
	if b.stream > c.lastID+2 || c.lastID == 0 && b.stream > 1 {
		c.skipped = b.stream - 2
	}
	c.lastID = b.stream
	switch {
	case len(c.streams) >= c.opt.MaxStreams:
		return c.refuse(b.stream)
	case b.bad != "":
		err := c.rejectID(b.stream, ProtocolError)
		c.opt.Refused(&b.head, 400)
		return err
	}
	c.flood.useful(tokensPerStream)
	s := c.newStream(b.stream)
	s.begun = true
	s.left = b.head.ContentLength
	s.isHead, s.connect = string(b.head.Method) == "HEAD", string(b.head.Method) == "CONNECT"
	if b.end {
		s.endRemote()
	}
	if b.large {
		err := c.answerTooLarge(s)
		c.opt.Refused(&b.head, 431)
		return err
	}
	c.mu.Unlock()
	s.recv = c.serve.Request(&c.batch, s, &b.head, b.end)
	if s.recv == nil {
		s.recv = discard{}
	}
	return nil
}

// refuse turns a stream over the limit away. A client that has seen our SETTINGS should know better, and is charged for it. Called with
// the lock held, which it gives up.
func (c *Conn) refuse(id uint32) error {
	c.sendReset(id, RefusedStream)
	calm := c.settingsAt != 0 || c.calm()
	c.leave(&c.batch)
	c.opt.Count(LimitStreams)
	if !calm {
		return c.flooded(LimitResets)
	}
	return nil
}

// answerTooLarge answers a request whose head is over the limit. Called with the lock held, which it gives up.
func (c *Conn) answerTooLarge(s *Stream) error {
	f := c.batch.Fields()
	f.Status(431)
	c.appendHead(s.id, f, true)
	s.localEnd = true
	if !s.remoteEnd {
		c.sendReset(s.id, NoError) // RFC 9113 section 8.1: the rest of the request is not wanted
	}
	s.remove()
	calm := c.calm() // a small block can stand for a large head: that must not be had for nothing
	c.leave(&c.batch)
	if !calm {
		return c.flooded(LimitResets)
	}
	return nil
}

// newStream lists a stream. Called with the lock held.
func (c *Conn) newStream(id uint32) *Stream {
	s := &Stream{c: c, id: id, send: c.peerWindow, window: c.ourWindow, most: c.opt.firstWindow(), left: -1, stall: c.opt.StallTimeout}
	c.streams[id] = s
	c.idleAt = 0
	return s
}

func (c *Conn) deliverResponse(b *block) error {
	c.mu.Lock()
	s := c.streams[b.stream]
	switch {
	case s == nil: // its owner has reset it meanwhile
		c.mu.Unlock()
		return nil
	case b.large:
		return c.reject(s, EnhanceYourCalm, "response head too large")
	case b.bad != "":
		return c.reject(s, ProtocolError, b.bad)
	}
	h := &b.head
	if h.Status < 200 {
		calm := c.flood.control(c.nc.Now)
		c.mu.Unlock()
		if !calm {
			return c.flooded(LimitControl)
		}
	} else {
		s.begun = true
		s.noBody = s.isHead || message.Bodiless(h.Status)
		if !s.noBody {
			s.left = h.ContentLength
		}
		if b.end {
			s.endRemote()
		}
		c.leave(&c.batch)
	}
	s.recv.Head(&c.batch, s, h, b.end)
	return nil
}

func (c *Conn) deliverTrailers(b *block) error {
	c.mu.Lock()
	s := c.streams[b.stream]
	if s == nil {
		c.mu.Unlock()
		return nil
	}
	code, reason := ProtocolError, b.bad
	switch {
	case s.remoteEnd:
		code, reason = StreamClosed, "HEADERS behind END_STREAM"
	case b.large:
		code, reason = EnhanceYourCalm, "trailers too large"
	case reason != "":
	case s.left > 0:
		reason = "less DATA than content-length"
	case s.connect:
		reason = "trailers on a CONNECT stream" // RFC 9113 section 8.5
	}
	if reason != "" {
		return c.reject(s, code, reason)
	}
	s.endRemote()
	c.leave(&c.batch)
	s.recv.Trailers(&c.batch, s, &b.head)
	return nil
}

// Handler is the owner of a server's streams.
type Handler interface {
	// Request is a new stream with its head; with end there is no body. It returns who takes the stream's further events, nil for nobody.
	// It runs on the reading goroutine and must not block; b and h are as for Receiver.
	Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver
}
