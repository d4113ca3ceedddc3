package http2

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Receiver takes the events of one stream. They come one after the other, on the reading goroutine of the stream's connection, and must not
// block. b is that goroutine's batch: it goes into every call an event makes. Heads and bytes are good only during the call.
type Receiver interface {
	// Head is a response head (client side only): interim ones first, then the final one. With end nothing follows it.
	Head(b *Batch, s *Stream, h *message.Head, end bool)
	// Data is a piece of the body. Its length must be given to Consumed once the bytes were passed on.
	Data(b *Batch, s *Stream, p []byte, end bool)
	// Trailers end the message.
	Trailers(b *Batch, s *Stream, h *message.Head)
	// Reset is the last event of a stream that ended early, by the peer's RST_STREAM or GOAWAY, the end of the connection, or an error
	// of the peer's making; cause says which. A stream that both sides ended in order, and one that the owner reset, get none.
	Reset(b *Batch, s *Stream, code ErrCode, cause error)
	// Writable says that WriteData, which did not take everything, may take some now.
	Writable(b *Batch, s *Stream)
	// Timeout says that the moment given to SetDeadline has passed. The deadline is gone, the stream is as before.
	Timeout(b *Batch, s *Stream)
}

// Stream is one request and its response on a connection. Its methods are safe from any goroutine; those that take a batch leave the
// writing to it, or write at once when it is nil.
type Stream struct {
	c    *Conn
	id   uint32
	recv Receiver // set before the first event; the reading goroutine's

	// What follows is guarded by c.mu.
	send     int           // window for what we send; a SETTINGS may make it negative
	window   int           // what the peer may still send,
	most     int           // when nothing is on its way
	credit   int           // consumed and not announced yet
	held     int           // given to the receiver and not consumed yet
	left     int64         // body bytes that content-length still promises; -1: it promises nothing
	stallAt  int64         // when waiting for flow control takes too long; 0: nothing waits
	stall    time.Duration // how long it may take
	deadline int64         // the owner's; 0 none

	localEnd  bool // we sent END_STREAM
	remoteEnd bool // the peer did
	gone      bool // no longer among the connection's streams
	waiting   bool // the owner wants to hear Writable
	queued    bool // in c.blocked
	begun     bool // the final head of what we receive has come
	noBody    bool // what we receive may have no body: HEAD, 204, 304
	isHead    bool // the request is HEAD,
	connect   bool // or CONNECT
}

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
	if f.size > c.peerHeadBytes {
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

// WriteData takes as much of p as flow control and the out buffer let it, and with end the end of this side too once all of p is taken. When
// it takes less than all, Receiver.Writable asks for the rest.
func (s *Stream) WriteData(b *Batch, p []byte, end bool) (int, error) {
	c := s.c
	c.mu.Lock()
	if !s.sendable() {
		c.mu.Unlock()
		return 0, ErrEnded
	}
	n := c.appendData(s, p, end)
	for n < len(p) && s.send > 0 && c.send > 0 && !c.writing {
		// The out buffer is full: make room now instead of waiting for the end of the batch.
		c.mu.Unlock()
		c.flush()
		c.mu.Lock()
		if !s.sendable() {
			c.mu.Unlock()
			return n, ErrEnded
		}
		n += c.appendData(s, p[n:], end)
	}
	if n < len(p) {
		c.wait(s, n > 0)
	} else {
		s.waiting, s.stallAt = false, 0
	}
	c.leave(b)
	return n, nil
}

// Room tells whether WriteData would take n bytes now. Other streams of the connection may be quicker.
func (s *Stream) Room(n int) bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.sendable() && n <= min(s.send, s.c.send)
}

// Reset ends the stream in both directions with RST_STREAM. No event follows it, but for one that is being delivered just now. What the owner
// still holds of the body counts as consumed.
func (s *Stream) Reset(b *Batch, code ErrCode) {
	c := s.c
	c.mu.Lock()
	if !s.gone && !c.dead {
		c.sendReset(s.id, code)
		s.remove()
	}
	c.leave(b)
}

// Consumed says that n more bytes of the body were passed on, so that the peer may send as many again.
func (s *Stream) Consumed(b *Batch, n int) {
	c := s.c
	c.mu.Lock()
	n = min(n, s.held)
	s.held -= n
	s.giveBack(n)
	c.giveBack(n)
	c.leave(b)
}

// SetDeadline names the moment, on the clock of netio.Sweeper.Now, at which Receiver.Timeout is called; 0 takes it away.
func (s *Stream) SetDeadline(at int64) {
	c := s.c
	c.mu.Lock()
	s.deadline = at
	if at > 0 && !s.gone {
		c.wakeBy(at)
	}
	c.mu.Unlock()
}

// SetStallTimeout is Options.StallTimeout for this stream, from the next time on that its data waits. Not from two goroutines at once.
func (s *Stream) SetStallTimeout(d time.Duration) {
	if d == s.stall { // as a rule; only this call writes it
		return
	}
	s.c.mu.Lock()
	s.stall = d
	s.c.mu.Unlock()
}

func (s *Stream) sendable() bool { return !s.localEnd && !s.gone && !s.c.dead }

// endLocal notes that END_STREAM was sent.
func (s *Stream) endLocal() {
	s.localEnd = true
	s.waiting, s.stallAt = false, 0
	if s.remoteEnd {
		s.c.flood.finished()
		s.remove()
	}
}

// endRemote notes that END_STREAM was received.
func (s *Stream) endRemote() {
	s.remoteEnd = true
	if s.localEnd {
		s.c.flood.finished()
		s.remove()
	}
}

// remove takes the stream out of its connection. What the owner holds of the body of a stream that ended well stays charged to the
// connection until it is consumed; of one that was cut off it is given back here.
func (s *Stream) remove() {
	if s.gone {
		return
	}
	c := s.c
	s.gone = true
	s.waiting, s.stallAt, s.deadline = false, 0, 0
	if !s.remoteEnd || !s.localEnd {
		c.giveBack(s.held)
		s.held = 0
	}
	delete(c.streams, s.id)
	c.streamGone()
}

// giveBack counts n bytes as consumed on the stream, and announces them once they are half of the window, which then doubles, up to StreamWindow.
func (s *Stream) giveBack(n int) {
	if n == 0 || s.remoteEnd || s.gone || s.c.dead {
		return
	}
	s.credit += n
	if s.credit < max(1, s.most/2) {
		return
	}
	more := min(s.most, s.c.opt.StreamWindow-s.most)
	s.most += more
	s.c.appendControl(13)
	s.c.out = appendWindowUpdate(s.c.out, s.id, s.credit+more)
	s.window += s.credit + more
	s.credit = 0
}

// discard is the receiver of a stream whose owner wants to hear nothing.
type discard struct{}

func (discard) Head(*Batch, *Stream, *message.Head, bool)  {}
func (discard) Data(b *Batch, s *Stream, p []byte, _ bool) { s.Consumed(b, len(p)) }
func (discard) Trailers(*Batch, *Stream, *message.Head)    {}
func (discard) Reset(*Batch, *Stream, ErrCode, error)      {}
func (discard) Writable(*Batch, *Stream)                   {}
func (discard) Timeout(*Batch, *Stream)                    {}
