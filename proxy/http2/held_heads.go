package http2

import (
	"unsafe"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// What the requests of one client's connection hold of heads and trailers is bounded. A field that is an index of HPACK
// is one byte on the wire, and may stand for kilobytes here. A request with a closed window holds them for as long as
// its client likes.

// exactAbove is the size in bytes of the largest buffer that is taken along with a head. A head in a larger one is
// copied to memory that just fits: most of the buffer may be empty.
const exactAbove = 4 << 10

// TakeHead moves a head out of its event, for an owner that needs it for longer. In exchange src gets the memory that
// dst had.
func TakeHead(dst, src *message.Head) {
	if cap(src.Buf) > exactAbove {
		*dst = message.Head{}
		CopyHead(dst, src)
		return
	}
	*dst, *src = *src, *dst
}

// held is how many bytes a head takes, once it is out of its event.
func held(h *message.Head) int {
	return len(h.Buf) + len(h.Fields)*int(unsafe.Sizeof(message.Field{}))
}

// room tells whether n more bytes may be held.
func (t *streamTable) room(n int, o *Options) bool { return t.heads+n <= o.HeadsBytes }

// hold charges the client's connection for n bytes of heads or trailers, until the stream is gone. It reports whether
// there was room; a stream that is gone needs none. The connection to an endpoint holds nothing of its own.
func (s *Stream) hold(n int) bool {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.charge(n)
}

// charge is hold where the lock is held.
//
// +checklocks:s.c.mu
func (s *Stream) charge(n int) bool {
	c := s.c
	if c.client || s.state == streamGone {
		return true
	}
	if !c.streams.room(n, &c.opt) {
		return false
	}
	s.heads += n
	c.streams.heads += n
	return true
}
