package http2

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Receiver takes the events of one stream. They come one after the other, on the reading goroutine of the stream's
// connection, and must not block. b is that goroutine's batch: it goes into every call an event makes. Heads and bytes
// are good only during the call.
type Receiver interface {
	// Head is a response head (client side only): interim ones first, then the final one. With end nothing follows it.
	Head(b *Batch, s *Stream, h *message.Head, end bool)
	// Data is a piece of the body. Its length must be given to Consumed once the bytes were passed on.
	Data(b *Batch, s *Stream, p []byte, end bool)
	// Trailers end the message.
	Trailers(b *Batch, s *Stream, h *message.Head)
	// Reset is the last event of a stream that ended early. That is by the peer's RST_STREAM or GOAWAY, the end of the
	// connection, or an error of the peer's making. The parameter cause says which, and is never io.EOF. A stream that
	// both sides ended in order, and one that the owner reset, get none.
	Reset(b *Batch, s *Stream, code ErrCode, cause error)
	// Writable says that WriteData, which did not take everything, may take some now.
	Writable(b *Batch, s *Stream)
	// Timeout says that the time given to SetDeadline has passed. The deadline is gone, the stream is as before.
	Timeout(b *Batch, s *Stream)
}

// Stream is one request and its response on a connection. Its methods are safe from any goroutine; those that take a
// batch leave the writing to it, or write at once when it is nil.
type Stream struct {
	c    *Conn
	id   uint32
	recv Receiver // set before the first event; the reading goroutine's
	// dst is the client's stream that data goes on in; nil: none. Client side; set before the first event.
	dst *Stream

	// +checklocks:c.ahead.mu
	ahead aheadShare // server side

	// The lock is the connection's.
	// +checklocks:c.mu
	state streamState
	// +checklocks:c.mu
	flow streamFlow
	// +checklocks:c.mu
	deadline int64 // the owner's; 0 none
	// +checklocks:c.mu
	left int64 // body bytes that content-length still promises; -1: it promises nothing
	// +checklocks:c.mu
	heads int // bytes that its connection is charged for
	// +checklocks:c.mu
	begun bool // the final head of what we receive has come
	// +checklocks:c.mu
	noBody bool // what we receive may have no body: HEAD, 204, 304
	// +checklocks:c.mu
	isHead bool // the request is HEAD,
	// +checklocks:c.mu
	connect bool // or CONNECT
}

// streamState is the state of a stream (RFC 9113 section 5.1).
type streamState uint8

const (
	streamOpen        streamState = iota
	streamLocalEnded              // half-closed (local): we sent END_STREAM
	streamRemoteEnded             // half-closed (remote): the peer did
	streamGone                    // closed, and no longer among the connection's streams
)

// WriteHead sends a response head: an interim (1xx) one, or the final one. Flow control does not hold heads back.
func (s *Stream) WriteHead(b *Batch, f *Fields, end bool) error { return s.writeSection(b, f, end) }

// WriteTrailers sends a trailer section, which ends this side of the stream. All data must have been taken before.
func (s *Stream) WriteTrailers(b *Batch, f *Fields) error { return s.writeSection(b, f, true) }

func (s *Stream) writeSection(b *Batch, f *Fields, end bool) error {
	c := s.c
	c.mu.Lock()
	if !s.sendable() {
		c.mu.Unlock()
		return ErrEnded
	}
	if f.size > c.peer.headBytes {
		c.mu.Unlock()
		return ErrHeadTooLarge
	}
	c.appendHead(s.id, f, end)
	if end {
		s.endLocal()
	}
	c.leave(b)
	return nil
}

// WriteData takes as much of p as flow control and the out buffer let it. With end set, it also ends this side once
// all of p is taken. When it takes less than all, Receiver.Writable asks for the rest.
func (s *Stream) WriteData(b *Batch, p []byte, end bool) (int, error) {
	c := s.c
	c.mu.Lock()
	if !s.sendable() {
		c.mu.Unlock()
		return 0, ErrEnded
	}
	n := s.appendData(p, end)
	for n < len(p) && s.flow.send > 0 && c.flow.send > 0 && !c.out.writing {
		// The out buffer is full: make room now instead of waiting for the end of the batch.
		c.mu.Unlock()
		c.flush()
		c.mu.Lock()
		if !s.sendable() {
			c.mu.Unlock()
			return n, ErrEnded
		}
		n += s.appendData(p[n:], end)
	}
	if n < len(p) {
		s.wait(n > 0)
	} else {
		s.flow.rest()
	}
	c.leave(b)
	return n, nil
}

// Room tells whether WriteData would take n bytes now. Other streams of the connection may be quicker.
func (s *Stream) Room(n int) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.sendable() && n <= min(s.flow.send, s.c.flow.send)
}

// aheadBytes is how many bytes are read ahead for all streams of a connection together whose windows are closed.
const aheadBytes = 128 << 10

// Ahead is how many bytes of what goes out on the stream are worth being read now. That is what the peer's windows and
// the out buffer let through, or the stream's share of what is read ahead, whichever is more.
func (s *Stream) Ahead() int {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	room := min(s.flow.send, c.flow.send, outBytes-len(c.out.b))
	return max(room, aheadBytes/max(1, len(c.streams.open)))
}

// Reset ends the stream in both directions with RST_STREAM. No event follows it, but for one that is being delivered
// just now. What the owner still holds of the body counts as consumed.
func (s *Stream) Reset(b *Batch, code ErrCode) {
	c := s.c
	c.mu.Lock()
	if s.state != streamGone && c.end.state == connOpen {
		s.givenUp()
		c.sendReset(s.id, code)
		s.remove(false)
	}
	c.leave(b)
}

// Consumed says that n more bytes of the body were passed on, so that the peer may send as many again.
func (s *Stream) Consumed(b *Batch, n int) {
	c := s.c
	c.mu.Lock()
	n = min(n, s.flow.held)
	s.flow.held -= n
	s.giveBack(n)
	c.giveBack(n)
	c.leave(b)
}

// SetDeadline names the time, on the clock of netio.Sweeper.Now, at which Receiver.Timeout is called; 0 takes it
// away.
func (s *Stream) SetDeadline(at int64) {
	c := s.c
	c.mu.Lock()
	s.deadline = at
	if at > 0 && s.state != streamGone {
		c.timers.wakeBy(at)
	}
	c.mu.Unlock()
}

// SetStallTimeout is Options.StallTimeout for this stream, from the next time on that its data waits. Not from two
// goroutines at once.
func (s *Stream) SetStallTimeout(d time.Duration) {
	if int64(d) == s.flow.stall { // +checklocksignore: only this call writes it
		return
	}
	s.c.mu.Lock()
	s.flow.stall = int64(d)
	s.c.mu.Unlock()
}

// sendable tells whether this side may still send on the stream.
//
// +checklocks:s.c.mu
func (s *Stream) sendable() bool {
	return (s.state == streamOpen || s.state == streamRemoteEnded) && s.c.end.state == connOpen
}

// isGone is for where the lock is held, and cannot be seen to be.
//
// +checklocksignore
func (s *Stream) isGone() bool { return s.state == streamGone }

// endLocal notes that END_STREAM was sent.
//
// +checklocks:s.c.mu
func (s *Stream) endLocal() {
	s.flow.rest()
	s.ended(streamLocalEnded, streamRemoteEnded)
}

// endRemote notes that END_STREAM was received.
//
// +checklocks:s.c.mu
func (s *Stream) endRemote() { s.ended(streamRemoteEnded, streamLocalEnded) }

// ended goes over to the half-closed state, or closes the stream where the other half was closed before.
//
// +checklocks:s.c.mu
func (s *Stream) ended(half, other streamState) {
	if s.state != other {
		s.state = half
		return
	}
	s.c.flood.finished()
	s.remove(true)
}

// remove takes the stream out of its connection. What the owner holds of the body of a stream that ended well stays
// charged to the connection until it is consumed. Of one that was cut off it is given back here.
//
// +checklocks:s.c.mu
func (s *Stream) remove(well bool) {
	if s.state == streamGone {
		return
	}
	c := s.c
	s.state = streamGone
	s.flow.rest()
	s.deadline = 0
	if !well {
		c.giveBack(s.flow.held)
		s.flow.held = 0
	}
	c.streams.heads -= s.heads
	if !c.client {
		s.returnAhead()
	}
	delete(c.streams.open, s.id)
	c.streamGone()
}

// lost takes a stream out of a connection that is over.
//
// +checklocks:s.c.mu
func (s *Stream) lost() {
	s.state = streamGone
	s.flow.waiting, s.flow.queued = false, false
}

// reject ends the stream because of what the peer did on it.
//
// +checklocksrelease:s.c.mu
func (s *Stream) reject(b *Batch, code ErrCode, reason string) error {
	c := s.c
	c.sendReset(s.id, code)
	s.remove(false)
	allowed := c.resetsAllowed()
	c.leave(b)
	if s.recv != nil {
		s.recv.Reset(b, s, code, &StreamError{code, reason})
	}
	if !allowed {
		return c.flooded(LimitResets)
	}
	return nil
}

// discard is the receiver of a stream whose owner wants no events.
type discard struct{}

func (discard) Head(*Batch, *Stream, *message.Head, bool)  {}
func (discard) Data(b *Batch, s *Stream, p []byte, _ bool) { s.Consumed(b, len(p)) }
func (discard) Trailers(*Batch, *Stream, *message.Head)    {}
func (discard) Reset(*Batch, *Stream, ErrCode, error)      {}
func (discard) Writable(*Batch, *Stream)                   {}
func (discard) Timeout(*Batch, *Stream)                    {}
