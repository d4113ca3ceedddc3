package l4

import (
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// smallFill is what a bulk transfer brings each time; less than that, fewAfter times in a row, is none any more.
	smallFill = netio.BufferSize
	fewAfter  = 8
)

// bulk is what a direction needs while it moves bytes by splice(2): they never come to user space.
type bulk struct {
	on    bool
	never bool        // the sockets are of a kind that cannot
	pipe  *netio.Pipe // nil while nothing is held
	held  int         // bytes in the pipe
	few   int         // small fills in a row
}

// begin changes to splice, if there is a pipe.
func (b *bulk) begin(from *netio.Pipes) bool {
	if b.never {
		return false
	}
	if b.pipe = from.Take(); b.pipe == nil {
		return false
	}
	b.on, b.few = true, 0
	return true
}

// pause gives the pipe back, which is empty.
func (b *bulk) pause(to *netio.Pipes) {
	to.Put(b.pipe)
	b.pipe = nil
}

// finish is the end of the direction. A pipe with bytes in it is of no more use to anybody.
func (b *bulk) finish(to *netio.Pipes) {
	if b.held > 0 {
		to.Drop(b.pipe)
		b.pipe = nil
	}
	b.pause(to)
}

// abandon gives up a pipe that finish has not had, after a panic: nobody knows what is in it.
func (b *bulk) abandon(to *netio.Pipes) {
	if b.pipe != nil {
		to.Drop(b.pipe)
		b.pipe = nil
	}
}

// splice is fromSource in bulk: source to pipe to destination.
func (p *pump) splice(src uintptr) bool {
	b, pool := &p.bulk, p.c.s.pipes
	if b.pipe == nil {
		if b.pipe = pool.Take(); b.pipe == nil {
			b.on = false // others have them all
			return true
		}
	}
	for {
		n, e := netio.Splice(src, b.pipe.In, netio.PipeBytes)
		switch {
		case e == syscall.EAGAIN:
			b.pause(pool)
			return false
		case e == syscall.EINVAL || e == syscall.ENOSYS:
			b.on, b.never = false, true
			b.pause(pool)
			return true
		case e != 0:
			return p.end(p.onRead)
		case n == 0:
			return p.end(telemetry.NoFlag)
		}
		p.saw()
		b.held = n
		if p.next = p.drain(); p.next != onward {
			return true
		}
		if p.c.stopped.Load() {
			return p.end(p.onRead)
		}
		if n >= smallFill {
			b.few = 0
			continue
		}
		if b.few++; b.few >= fewAfter {
			b.on = false
			b.pause(pool)
			return true
		}
	}
}

// drain gives what is in the pipe to the destination.
func (p *pump) drain() step {
	for b := &p.bulk; b.held > 0; {
		n, e := netio.Splice(b.pipe.Out, p.dstFD, b.held)
		switch {
		case e == syscall.EAGAIN:
			return blocked
		case e != 0 || n == 0:
			p.end(p.onWrite)
			return over
		}
		p.moved.Add(int64(n))
		b.held -= n
	}
	return onward
}
