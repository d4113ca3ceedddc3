package l4

import (
	"net"
	"sync/atomic"
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// pump moves the bytes of one direction. It belongs to one goroutine, but for the atomics.
type pump struct {
	c       *conn
	other   *pump
	src     net.Conn
	dst     net.Conn
	onRead  telemetry.Flag // the source broke off
	onWrite telemetry.Flag // the destination did

	moved atomic.Int64 // bytes that the destination took
	ended atomic.Bool  // the source has ended in order
	began bool         // a byte came

	// Between two plain sockets:
	rawSrc  syscall.RawConn
	rawDst  syscall.RawConn
	srcFn   func(uintptr) bool
	dstFD   uintptr        // good while rawDst's callback runs
	buf     *netio.Buffer  // with pending in it; nil while the source is waited for
	pending []byte         // what the destination did not take yet
	full    int            // buffers in a row that came full
	bulk    bulk           // see bulk.go
	next    step           // what the source's callback wants
	flag    telemetry.Flag // why it is over; NoFlag: the end of the stream
}

// step is how a callback ends.
type step uint8

const (
	onward  step = iota // go on, perhaps in the other mode
	blocked             // the destination takes no more
	over                // flag says why
)

// bulkAfter is how many full buffers in a row make a bulk transfer.
const bulkAfter = 4

// pump runs inside the callback of the destination, so that its descriptor is good all the time. Inside that it waits
// in the callback of the source.
func (p *pump) pump() telemetry.Flag {
	p.srcFn = p.fromSource
	err := p.rawDst.Write(p.toDestination)
	p.free()
	p.bulk.finish(p.c.s.pipes)
	if err != nil {
		return p.onWrite // woken while the destination was full
	}
	return p.flag
}

// toDestination is called at first, and when the destination takes bytes again; false waits for that.
func (p *pump) toDestination(fd uintptr) bool {
	p.dstFD = fd
	p.next = p.flush()
	for p.next == onward {
		if p.c.stopped.Load() {
			p.end(p.onRead)
			break
		}
		if err := p.rawSrc.Read(p.srcFn); err != nil {
			p.end(p.onRead)
		}
	}
	return p.next == over
}

// fromSource is called when the source may have bytes; false waits for more, holding nothing.
func (p *pump) fromSource(fd uintptr) bool {
	if p.bulk.on {
		return p.splice(fd)
	}
	if p.buf == nil {
		p.buf = netio.NewBuffer()
	}
	for {
		n, e := netio.TryRead(fd, p.buf.B)
		switch {
		case e == syscall.EAGAIN:
			p.full = 0
			p.free()
			return false
		case e != 0:
			return p.end(p.onRead)
		case n == 0:
			return p.end(telemetry.NoFlag)
		}
		p.saw()
		p.pending = p.buf.B[:n]
		if p.next = p.flush(); p.next != onward {
			return true
		}
		if p.c.stopped.Load() {
			return p.end(p.onRead)
		}
		if n < len(p.buf.B) {
			p.full = 0
			continue
		}
		if p.full++; p.full >= bulkAfter && p.bulk.begin(p.c.s.pipes) {
			p.full = 0
			p.free()
			return true
		}
	}
}

func (p *pump) free() {
	p.buf.Free()
	p.buf = nil
}

// flush gives what is held to the destination.
func (p *pump) flush() step {
	if p.bulk.held > 0 {
		return p.drain()
	}
	for len(p.pending) > 0 {
		n, e := netio.TryWrite(p.dstFD, p.pending)
		switch {
		case e == syscall.EAGAIN:
			return blocked
		case e != 0:
			p.end(p.onWrite)
			return over
		}
		p.moved.Add(int64(n))
		p.pending = p.pending[n:]
	}
	return onward
}

// end is the last step; it returns true for the callbacks.
func (p *pump) end(f telemetry.Flag) bool {
	p.flag, p.next = f, over
	return true
}
