package http2

import (
	"errors"
	"runtime"
	"slices"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Batch gathers the connections that one goroutine has appended to, so that each is written to once. A reading goroutine has its own, which
// events are given; any other goroutine may have one of its own, the zero value, and call Flush when it is done appending.
type Batch struct {
	conns  []*Conn
	fields Fields
	later  func(*Batch) // see Later
}

// Fields is an empty section to fill and send. The next call takes it back.
func (b *Batch) Fields() *Fields {
	b.fields.Reset()
	return &b.fields
}

// Later has f called once, by the next Flush, when other goroutines have had their turn and before anything is written: what f appends goes
// along. f must not block, nor flush.
func (b *Batch) Later(f func(*Batch)) { b.later = f }

// Flush lets other goroutines run that may want to append too, and then writes. A goroutine that was just woken runs before those that have
// been waiting, so without the yield it would write after every frame.
func (b *Batch) Flush() {
	if len(b.conns) == 0 && b.later == nil {
		return
	}
	runtime.Gosched()
	if f := b.later; f != nil {
		b.later = nil
		f(b)
	}
	for i := 0; i < len(b.conns); i++ {
		b.conns[i].flush()
		b.conns[i] = nil
	}
	b.conns = b.conns[:0]
}

// leave unlocks c and sees to what was appended: it is b's, or written at once.
func (c *Conn) leave(b *Batch) {
	write := len(c.out) > 0 && !c.writing && !c.cut
	if write && b != nil && c.dirtyIn != b {
		c.dirtyIn = b
		b.conns = append(b.conns, c)
	}
	room := c.roomDue
	c.roomDue = false
	c.mu.Unlock()
	if write && b == nil {
		c.flush()
	}
	if room {
		c.opt.Room()
	}
}

// flush writes what is in the out buffer as far as the socket takes it now, outside the lock, and leaves the rest to a goroutine. While
// somebody writes, the others only append.
func (c *Conn) flush() {
	c.mu.Lock()
	c.dirtyIn = nil
	for len(c.out) > 0 && !c.writing && !c.cut {
		p, buf := c.takeOut()
		c.writing = true
		c.mu.Unlock()
		n, err := c.w.Try(p)
		if errors.Is(err, netio.ErrWouldBlock) {
			go c.finishWrite(p[n:], buf) // ends when the out buffer is empty or the connection is closed; shut waits for it
			return
		}
		buf.Free()
		c.mu.Lock()
		c.wrote(err)
	}
	c.leave(nil)
}

// finishWrite writes the rest of a buffer that the socket did not take, and all that is appended meanwhile.
func (c *Conn) finishWrite(p []byte, buf *netio.Buffer) {
	err := c.w.Finish(p)
	buf.Free()
	c.mu.Lock()
	for err == nil && len(c.out) > 0 && !c.cut {
		p, buf = c.takeOut()
		c.makeRoom()
		c.mu.Unlock()
		err = c.w.Finish(p)
		buf.Free()
		c.mu.Lock()
	}
	c.wrote(err)
	c.leave(nil)
}

// wrote notes that nobody is writing any more.
func (c *Conn) wrote(err error) {
	c.writing = false
	if err != nil {
		c.fail(err)
	}
	c.makeRoom()
	c.roomMade()
	c.written.Broadcast()
}

// makeRoom wakes the reading goroutine for the streams that wait for room in the out buffer.
func (c *Conn) makeRoom() {
	if c.full {
		c.full = false
		c.nc.Interrupt()
	}
}

func (c *Conn) takeOut() ([]byte, *netio.Buffer) {
	p, buf := c.out, c.outBuf
	c.out, c.outBuf = nil, nil
	return p, buf
}

// grow makes room for n more bytes in the out buffer, from the pool as long as it fits there.
func (c *Conn) grow(n int) {
	switch need := len(c.out) + n; {
	case need <= cap(c.out):
	case c.out == nil || need <= outBytes:
		buf := netio.Sized(need)
		c.out = append(buf.B[:0], c.out...)
		c.outBuf.Free()
		c.outBuf = buf
	default:
		c.out = append(make([]byte, 0, 2*need), c.out...)
		c.outBuf.Free()
		c.outBuf = nil
	}
}

// appendControl makes room for a small frame. A peer that causes such frames and does not read them is cut off.
func (c *Conn) appendControl(n int) {
	c.grow(n)
	if len(c.out) > outHard {
		c.overflow()
	}
}

// overflow ends a connection whose peer lets answers pile up.
func (c *Conn) overflow() {
	if c.err == nil {
		c.opt.Count(LimitOutput)
	}
	c.fail(connError(EnhanceYourCalm, "the peer does not read its answers"))
}

// appendHead encodes a section into the out buffer. A block that is longer than a frame goes on in CONTINUATION frames, with nothing
// between them.
func (c *Conn) appendHead(id uint32, f *Fields, end bool) {
	c.grow(frameHeaderLen + f.size + 16) // f.size counts more for a field than any encoding of it takes
	if len(c.out) > outHard {
		c.overflow()
	}
	at := len(c.out)
	c.out = appendFrame(c.out, frame{0, frameHeaders, flagEndHeaders, id})
	if end {
		c.out[at+4] |= flagEndStream
	}
	c.out = c.enc.begin(c.out)
	for i := range f.list {
		c.out = c.enc.field(c.out, &f.list[i])
	}
	if n := len(c.out) - at - frameHeaderLen; n > maxFrame {
		c.splitHead(at, id)
	} else {
		setLength(c.out[at:], n)
	}
}

func (c *Conn) splitHead(at int, id uint32) {
	rest := append([]byte(nil), c.out[at+frameHeaderLen+maxFrame:]...)
	setLength(c.out[at:], maxFrame)
	c.out[at+4] &^= flagEndHeaders
	c.out = c.out[:at+frameHeaderLen+maxFrame]
	for len(rest) > 0 {
		n := min(len(rest), maxFrame)
		f := frame{uint32(n), frameContinuation, 0, id}
		if n == len(rest) {
			f.flags = flagEndHeaders
		}
		c.grow(frameHeaderLen + n)
		c.out = append(appendFrame(c.out, f), rest[:n]...)
		rest = rest[n:]
	}
}

// leastPiece is the smallest piece of data, in bytes, that is worth a frame of its own when only the buffer's end stands in the way.
const leastPiece = 1 << 10

// appendData appends DATA frames for as much of p as the windows and the out buffer allow, and reports how much that was.
func (c *Conn) appendData(s *Stream, p []byte, end bool) (taken int) {
	for {
		left := len(p) - taken
		n := min(left, s.send, c.send, maxFrame)
		if left > 0 && n <= 0 {
			return taken
		}
		if room := outBytes - frameHeaderLen - len(c.out); n > room && n > 0 {
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
			c.grow(frameHeaderLen + n)
			c.out = append(appendFrame(c.out, f), p[taken:taken+n]...)
			s.send -= n
			c.send -= n
			c.flood.useful(tokensPerData)
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

// sendReset appends RST_STREAM, and remembers the stream so that what is on its way for it is no error.
func (c *Conn) sendReset(id uint32, code ErrCode) {
	c.appendControl(13)
	c.out = appendRSTStream(c.out, id, code)
	if c.client {
		return // needs no memory of it: what comes for a stream that is gone is ignored
	}
	if c.resets == nil {
		c.resets = make([]uint32, max(remembered, c.opt.MaxStreams))
	}
	c.resets[c.resetAt%len(c.resets)] = id
	c.resetAt++
}

// wasReset tells whether this side reset the stream lately.
func (c *Conn) wasReset(id uint32) bool {
	return slices.Contains(c.resets, id)
}
