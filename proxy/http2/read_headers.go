package http2

import (
	"encoding/binary"

	"golang.org/x/net/http2/hpack"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Handler is the owner of a server's streams.
type Handler interface {
	// Request is a new stream with its head; with end there is no body. It returns who takes the stream's further
	// events, nil for nobody. It runs on the reading goroutine and must not block; b and h are as for Receiver.
	Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver
}

// headerReader decodes header blocks and delivers what they are. It belongs to the reading goroutine.
type headerReader struct {
	c     *Conn
	batch *Batch
	dec   *hpack.Decoder
	block *block // in progress, nil between blocks
}

// begin takes HEADERS, which begin a header block (RFC 9113 section 6.2).
func (h *headerReader) begin(f frame, p []byte) error {
	if f.stream == 0 {
		return connError(ProtocolError, "HEADERS on stream 0")
	}
	p, ok := unpad(f, p)
	if !ok || f.has(flagPriority) && len(p) < 5 {
		return connError(ProtocolError, "padding or priority longer than its frame")
	}
	b := blocks.Get().(*block)
	b.stream, b.end = f.stream, f.has(flagEndStream)
	b.maxBytes, b.maxFields = h.c.opt.MaxHeaderBytes, h.c.opt.MaxFields
	h.block = b
	if err := h.classify(b); err != nil {
		return err
	}
	if f.has(flagPriority) {
		if binary.BigEndian.Uint32(p)&maxStreamID == f.stream {
			b.fail("stream that depends on itself")
		}
		p = p[5:]
	}
	h.dec.SetEmitEnabled(true)
	return h.decode(p, f.has(flagEndHeaders))
}

// resume takes CONTINUATION (RFC 9113 section 6.10).
func (h *headerReader) resume(f frame, p []byte) error {
	b := h.block
	if b == nil {
		return connError(ProtocolError, "CONTINUATION without a header block")
	}
	if b.frames++; b.frames > blockFrames {
		return h.c.flooded(LimitContinuation)
	}
	return h.decode(p, f.has(flagEndHeaders))
}

// classify decides what the block is: it is decoded in any case, for the table is shared by all.
func (h *headerReader) classify(b *block) error {
	c := h.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.streams.open[b.stream]; s != nil {
		asStream(c, s)
		b.kind, b.isHead = response, s.isHead
		if s.begun {
			b.kind = trailers
		}
		asConn(s, c)
		return nil
	}
	switch {
	case c.client && c.streams.idle(b.stream):
		return connError(ProtocolError, "HEADERS on a stream that was not opened")
	case c.client:
	case b.stream&1 == 0:
		return connError(ProtocolError, "stream of the client with an even number")
	case b.stream > c.streams.lastID && c.drain.state == drainLast:
		b.kind, c.streams.lastID = unwanted, b.stream // our GOAWAY has told the client that it is not processed
		return nil
	case b.stream > c.streams.lastID:
		b.kind = request
		return nil
	}
	b.kind = unwanted
	return c.streams.late(b.stream, c.client)
}

// late is the error of a header block on a stream that was open, or was passed over (RFC 9113 section 5.1, closed). It
// is nil if the block may have been on its way when this side reset the stream. A client resets what it has no use for.
func (t *streamTable) late(id uint32, client bool) error {
	switch {
	case client || t.wasReset(id):
		return nil
	case id <= t.skipped:
		return connError(ProtocolError, "stream number that went down")
	}
	return connError(StreamClosed, "HEADERS on a stream that is over")
}

// decode takes a piece of the block, and with the last one the whole message.
func (h *headerReader) decode(p []byte, last bool) error {
	b := h.block
	if b.wire += len(p); b.wire > 2*h.c.opt.MaxHeaderBytes {
		return h.c.flooded(LimitContinuation)
	}
	if _, err := h.dec.Write(p); err != nil {
		return connError(CompressionError, "header block that is no HPACK")
	}
	if b.large {
		h.dec.SetEmitEnabled(false)
	}
	if !last {
		return nil
	}
	if err := h.dec.Close(); err != nil {
		return connError(CompressionError, "header block that ends too early")
	}
	h.block = nil
	b.finish()
	err := h.deliver(b)
	b.release()
	return err
}

func (h *headerReader) deliver(b *block) error {
	if b.large && (b.kind != request || h.c.opt.TooLarge == nil) { // else who responds counts it
		h.c.opt.Count(LimitHead)
	}
	switch b.kind {
	case request:
		return h.deliverRequest(b)
	case response:
		return h.deliverResponse(b)
	case trailers:
		return h.deliverTrailers(b)
	}
	if !h.c.allow() {
		return h.c.flooded(LimitControl)
	}
	return nil
}

// deliverRequest opens a stream.
func (h *headerReader) deliverRequest(b *block) error {
	c := h.c
	c.mu.Lock()
	c.streams.begun(b.stream)
	switch {
	case len(c.streams.open) >= c.opt.MaxStreams:
		return h.refuse(b.stream, LimitStreams, c.timers.settingsAt != 0)
	case b.bad != "":
		err := c.rejectID(h.batch, b.stream, ProtocolError)
		c.opt.Refused(&b.head)
		return err
	case (!b.large || c.opt.TooLarge != nil) && !c.streams.room(held(&b.head), 1, &c.opt):
		return h.refuse(b.stream, LimitHeads, false)
	}
	c.flood.useful(tokensPerStream)
	s := c.newStream(b.stream)
	asStream(c, s)
	s.begun = true
	s.left = b.head.ContentLength
	s.isHead, s.connect = string(b.head.Method) == "HEAD", string(b.head.Method) == "CONNECT"
	if b.end {
		s.endRemote()
	}
	respond := c.serve.Request
	if b.large {
		if respond = c.opt.TooLarge; respond == nil {
			return s.replyTooLarge(h.batch)
		}
		if !s.c.resetsAllowed() { // as in replyTooLarge
			s.remove(false)
			s.c.leave(h.batch)
			return c.flooded(LimitResets)
		}
	}
	s.charge(held(&b.head))
	s.c.mu.Unlock()
	s.recv = respond(h.batch, s, &b.head, b.end)
	if s.recv == nil {
		s.recv = discard{}
	}
	return nil
}

// refuse turns a stream over a limit away, which the client may open again. It is charged for it, unless it is
// free: until it has seen our SETTINGS it cannot know how many there may be.
//
// +checklocksrelease:h.c.mu
func (h *headerReader) refuse(id uint32, over Limit, free bool) error {
	c := h.c
	c.sendReset(id, RefusedStream)
	allowed := free || c.resetsAllowed()
	c.leave(h.batch)
	c.opt.Count(over)
	if !allowed {
		return c.flooded(LimitResets)
	}
	return nil
}

// replyTooLarge replies with 431 to a request whose head is over the limit.
//
// +checklocksrelease:s.c.mu
func (s *Stream) replyTooLarge(b *Batch) error {
	c := s.c
	f := b.Fields()
	f.Status(431)
	c.appendHead(s.id, f, true)
	if s.state != streamRemoteEnded {
		c.sendReset(s.id, NoError) // RFC 9113 section 8.1: the rest of the request is not wanted
	}
	s.remove(false)
	allowed := c.resetsAllowed() // a small block can stand for a large head: that must not be had for nothing
	c.leave(b)
	if !allowed {
		return c.flooded(LimitResets)
	}
	return nil
}

func (h *headerReader) deliverResponse(b *block) error {
	c := h.c
	c.mu.Lock()
	s := c.streams.open[b.stream]
	if s == nil { // its owner has reset it meanwhile
		c.mu.Unlock()
		return nil
	}
	asStream(c, s)
	switch {
	case b.large:
		return s.reject(h.batch, EnhanceYourCalm, "response head too large")
	case b.bad != "":
		return s.reject(h.batch, ProtocolError, b.bad)
	}
	if b.head.Status < 200 {
		s.c.mu.Unlock()
		if !c.allow() {
			return c.flooded(LimitControl)
		}
	} else {
		s.begun = true
		c.doubt.pings = 0
		s.c.peer.responded, s.c.peer.refused = true, 0
		s.noBody = s.isHead || message.Bodiless(b.head.Status)
		if !s.noBody {
			s.left = b.head.ContentLength
		}
		if b.end {
			s.endRemote()
		}
		s.c.leave(h.batch)
	}
	s.recv.Head(h.batch, s, &b.head, b.end)
	return nil
}

func (h *headerReader) deliverTrailers(b *block) error {
	c := h.c
	c.mu.Lock()
	s := c.streams.open[b.stream]
	if s == nil { // it has ended since the block began
		err := c.streams.late(b.stream, c.client)
		c.mu.Unlock()
		return err
	}
	asStream(c, s)
	code, reason := ProtocolError, b.bad
	switch {
	case s.state == streamRemoteEnded:
		code, reason = StreamClosed, "HEADERS behind END_STREAM"
	case b.large:
		code, reason = EnhanceYourCalm, "trailers too large"
	case reason != "":
	case s.left > 0:
		reason = "less DATA than content-length"
	case s.connect:
		reason = "trailers on a CONNECT stream" // RFC 9113 section 8.5
	case !s.charge(held(&b.head)):
		code, reason = EnhanceYourCalm, "more heads and trailers than one connection may hold"
	}
	if reason != "" {
		return s.reject(h.batch, code, reason)
	}
	s.endRemote()
	s.c.leave(h.batch)
	s.recv.Trailers(h.batch, s, &b.head)
	return nil
}

// release gives back a block that was not finished.
func (h *headerReader) release() {
	if h.block != nil {
		h.block.release()
		h.block = nil
	}
}
