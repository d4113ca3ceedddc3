package http2

import (
	"unsafe"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// What the requests of one client's connection hold is bounded: of heads and trailers, and what each stream costs
// besides. A field that is an index of HPACK
// is one byte on the wire, and may stand for kilobytes here. A request with a closed window holds them for as long as
// its client likes.

// exactAbove is the size in bytes of the largest memory, of its lines or of its fields, that is taken along with a
// head. A head in larger memory is copied to some that just fits: most of it may be empty.
const exactAbove = 4 << 10

const fieldBytes = int(unsafe.Sizeof(message.Field{}))

// roomy tells whether a head is copied when it is taken.
func roomy(h *message.Head) bool {
	return cap(h.Buf) > exactAbove || cap(h.Fields)*fieldBytes > exactAbove
}

// TakeHead moves a head out of its event, for an owner that needs it for longer. In exchange src gets the memory that
// dst had.
func TakeHead(dst, src *message.Head) {
	if roomy(src) {
		*dst = message.Head{}
		CopyHead(dst, src)
		return
	}
	*dst, *src = *src, *dst
}

// held is how many bytes a head takes, once it is out of its event.
func held(h *message.Head) int {
	if roomy(h) {
		return len(h.Buf) + len(h.Fields)*fieldBytes
	}
	return cap(h.Buf) + cap(h.Fields)*fieldBytes
}

// streamBytes is what a stream is taken to cost its owner apart from its heads, in bytes. An exchange that waits for a
// connection of its own, without a goroutine, takes so much. One with a goroutine takes up to 8 KiB. With this figure
// and the next, a client's connection stays below 1 MiB, whatever its requests are (proxy/h2_held_test.go).
const streamBytes = 5 << 10

// headsPerStream is how many bytes of heads each stream may have, on average, where a client opens all that it may.
const headsPerStream = 7 << 8

// room tells whether n more bytes may be held, where so many more streams are opened.
func (t *streamTable) room(n, more int, o *Options) bool {
	return t.heads+n+(len(t.open)+more)*streamBytes <= o.HeldBytes
}

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
	if !c.streams.room(n, 0, &c.opt) {
		return false
	}
	s.heads += n
	c.streams.heads += n
	return true
}
