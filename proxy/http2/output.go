package http2

import "github.com/fabian4/gateway-homebrew-go/internal/netio"

// output is what is to be written to the peer. Guarded by the connection's lock.
type output struct {
	enc     encoder
	b       []byte        // appended and not written yet
	buf     *netio.Buffer // b's memory; nil when it is no pooled buffer
	dirtyIn *Batch        // will flush b
	writing bool          // somebody writes; the others only append
	inHand  int           // bytes that somebody writes
	awaited bool          // somebody waits for room in b
}

// take hands out what is to be written, with its memory.
func (o *output) take() ([]byte, *netio.Buffer) {
	p, buf := o.b, o.buf
	o.b, o.buf, o.inHand = nil, nil, len(p)
	return p, buf
}

// drop forgets what was not written.
func (o *output) drop() {
	o.buf.Free()
	o.b, o.buf = nil, nil
}

// grow makes room for n more bytes, from the pool as long as it fits there.
func (o *output) grow(n int) {
	switch need := len(o.b) + n; {
	case need <= cap(o.b):
	case o.b == nil || need <= outBytes:
		buf := netio.Sized(need)
		o.b = append(buf.B[:0], o.b...)
		o.buf.Free()
		o.buf = buf
	default:
		o.b = append(make([]byte, 0, need+need/4), o.b...)
		o.buf.Free()
		o.buf = nil
	}
}

// head encodes a section. A block that is longer than a frame goes on in CONTINUATION frames, with nothing between
// them.
func (o *output) head(id uint32, f *Fields, end bool) {
	at := len(o.b)
	o.b = appendFrame(o.b, frame{0, frameHeaders, flagEndHeaders, id})
	if end {
		o.b[at+4] |= flagEndStream
	}
	o.b = o.enc.begin(o.b)
	for i := range f.list {
		o.b = o.enc.field(o.b, &f.list[i])
	}
	if n := len(o.b) - at - frameHeaderLen; n > maxFrame {
		o.split(at, id)
	} else {
		setLength(o.b[at:], n)
	}
}

func (o *output) split(at int, id uint32) {
	rest := append([]byte(nil), o.b[at+frameHeaderLen+maxFrame:]...)
	setLength(o.b[at:], maxFrame)
	o.b[at+4] &^= flagEndHeaders
	o.b = o.b[:at+frameHeaderLen+maxFrame]
	for len(rest) > 0 {
		n := min(len(rest), maxFrame)
		f := frame{uint32(n), frameContinuation, 0, id}
		if n == len(rest) {
			f.flags = flagEndHeaders
		}
		o.grow(frameHeaderLen + n)
		o.b = append(appendFrame(o.b, f), rest[:n]...)
		rest = rest[n:]
	}
}

// appendControl makes room for a small frame, or a head. A peer that causes such frames and does not read them is cut
// off.
//
// +checklocks:c.mu
func (c *Conn) appendControl(n int) {
	c.out.grow(n)
	if len(c.out.b)+c.out.inHand <= outHard {
		return
	}
	if c.end.err == nil {
		c.opt.Count(LimitOutput)
	}
	c.fail(connError(EnhanceYourCalm, "the peer does not read what it makes us write"))
}

// appendHead encodes a section into the out buffer.
//
// +checklocks:c.mu
func (c *Conn) appendHead(id uint32, f *Fields, end bool) {
	c.appendControl(frameHeaderLen + f.size + 16) // f.size counts more for a field than any encoding of it takes
	c.out.head(id, f, end)
}

// leastPiece is the smallest piece of data, in bytes, that is worth a frame of its own. It counts where only the
// buffer's end stands in the way.
const leastPiece = 1 << 10

// appendData appends DATA frames for as much of p as the windows and the out buffer allow, and reports how much that
// was.
//
// +checklocks:s.c.mu
func (s *Stream) appendData(p []byte, end bool) (taken int) {
	c := s.c
	for {
		left := len(p) - taken
		n := min(left, s.flow.send, c.flow.send, maxFrame)
		if left > 0 && n <= 0 {
			return taken
		}
		if room := outBytes - frameHeaderLen - len(c.out.b); n > room && n > 0 {
			if room < leastPiece {
				return taken
			}
			n = room
		}
		f := frame{uint32(n), frameData, 0, s.id}
		if end && n == left {
			f.flags = flagEndStream
		}
		if n > 0 || f.flags != 0 {
			c.out.grow(frameHeaderLen + n)
			c.out.b = append(appendFrame(c.out.b, f), p[taken:taken+n]...)
			s.flow.send -= n
			c.flow.send -= n
			c.flood.sent(n)
		}
		taken += n
		if taken == len(p) {
			if f.flags != 0 {
				s.endLocal()
			}
			return taken
		}
	}
}
