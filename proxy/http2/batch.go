package http2

import (
	"errors"
	"runtime"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Batch gathers the connections that one goroutine has appended to, so that each is written to once. A reading
// goroutine has its own, which events are given. Any other goroutine may have one of its own, the zero value, and call
// Flush when it is done appending.
type Batch struct {
	conns  []*Conn
	fields *Fields      // nil: none is lent
	later  func(*Batch) // see Later
}

// Fields is an empty section to fill and send. The next call takes it back.
func (b *Batch) Fields() *Fields {
	if b.fields == nil {
		b.fields = sections.Get().(*Fields)
	}
	b.fields.Reset()
	return b.fields
}

// sections are those that no Batch has.
var sections = sync.Pool{New: func() any { return new(Fields) }}

// Trim gives the section that was written back, with what it was made of: for a goroutine that will wait.
func (b *Batch) Trim() {
	if b.fields != nil {
		b.fields.Reset()
		sections.Put(b.fields)
		b.fields = nil
	}
}

// Later has f called once, by the next Flush, when other goroutines have had their turn and before anything is
// written. What f appends goes along. f must not block, nor flush.
func (b *Batch) Later(f func(*Batch)) { b.later = f }

// Flush lets other goroutines run that may want to append too, and then writes. A goroutine that was just woken runs
// before those that have been waiting, so without the yield it would write after every frame.
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
//
// +checklocksrelease:c.mu
func (c *Conn) leave(b *Batch) {
	write := len(c.out.b) > 0 && !c.out.writing && c.end.state != connCut
	if write && b != nil && c.out.dirtyIn != b {
		c.out.dirtyIn = b
		b.conns = append(b.conns, c)
	}
	room := c.places.notify
	c.places.notify = false
	c.mu.Unlock()
	if write && b == nil {
		c.flush()
	}
	if room {
		c.opt.Room()
	}
}

// flush writes what is in the out buffer as far as the socket takes it now, outside the lock. It leaves the rest to a
// goroutine. While somebody writes, the others only append.
func (c *Conn) flush() {
	c.mu.Lock()
	c.out.dirtyIn = nil
	for len(c.out.b) > 0 && !c.out.writing && c.end.state != connCut {
		p, buf := c.out.take()
		c.out.writing = true
		c.mu.Unlock()
		n, err := c.w.Try(p)
		if errors.Is(err, netio.ErrWouldBlock) {
			// Ends when the out buffer is empty or the connection is closed; reader.shut waits for it.
			go c.finishWrite(p[n:], buf)
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
	for err == nil && len(c.out.b) > 0 && c.end.state != connCut {
		p, buf = c.out.take()
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
//
// +checklocks:c.mu
func (c *Conn) wrote(err error) {
	c.out.writing, c.out.inHand = false, 0
	if err != nil {
		c.fail(err)
	}
	c.makeRoom()
	c.placeFree()
	c.written.Broadcast()
}

// makeRoom wakes the reading goroutine for the streams that wait for room in the out buffer.
//
// +checklocks:c.mu
func (c *Conn) makeRoom() {
	if c.out.awaited {
		c.out.awaited = false
		c.nc.Interrupt()
	}
}
