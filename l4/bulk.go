package l4

import (
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// maxPipes bounds the pipes of one server, of two descriptors each, beside two descriptors a connection.
	maxPipes = 64
	// pipeBytes is what a pipe holds. Larger ones mean fewer system calls a gigabyte, and more kernel memory behind a
	// stalled reader; without privileges the kernel allows 64 MiB of pipes to a user (pipe-user-pages-soft), so all of
	// ours fit four times.
	pipeBytes = 256 << 10
	// smallFill is what a bulk transfer brings each time; less than that, fewAfter times in a row, is none any more.
	smallFill = netio.BufferSize
	fewAfter  = 8
)

// bulk is what a direction needs while it moves bytes by splice(2): they never come to user space.
type bulk struct {
	on    bool
	never bool  // the sockets are of a kind that cannot
	pipe  *pipe // nil while nothing is held
	held  int   // bytes in the pipe
	few   int   // small fills in a row
}

// begin changes to splice, if there is a pipe.
func (b *bulk) begin(from *pipes) bool {
	if b.never {
		return false
	}
	if b.pipe = from.take(); b.pipe == nil {
		return false
	}
	b.on, b.few = true, 0
	return true
}

// pause gives the pipe back, which is empty.
func (b *bulk) pause(to *pipes) {
	to.put(b.pipe)
	b.pipe = nil
}

// finish is the end of the direction. A pipe with bytes in it is of no more use to anybody.
func (b *bulk) finish(to *pipes) {
	if b.held > 0 {
		to.drop(b.pipe)
		b.pipe = nil
	}
	b.pause(to)
}

// abandon gives up a pipe that finish has not had, after a panic: nobody knows what is in it.
func (b *bulk) abandon(to *pipes) {
	if b.pipe != nil {
		to.drop(b.pipe)
		b.pipe = nil
	}
}

// splice is fromSource in bulk: source to pipe to destination.
func (p *pump) splice(src uintptr) bool {
	b, pool := &p.bulk, p.c.s.pipes
	if b.pipe == nil {
		if b.pipe = pool.take(); b.pipe == nil {
			b.on = false // others have them all
			return true
		}
	}
	for {
		n, e := splice(src, b.pipe.in, pipeBytes)
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
		n, e := splice(b.pipe.out, p.dstFD, b.held)
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

// pipe is the pair of descriptors that splice needs between two sockets.
type pipe struct {
	in, out uintptr
}

// pipes are the pipes of a server: made when asked for, at most maxPipes, kept when given back. Safe from any
// goroutine.
type pipes struct {
	places chan struct{} // one taken for each pipe that exists
	spare  chan *pipe
}

func newPipes() *pipes {
	return &pipes{places: make(chan struct{}, maxPipes), spare: make(chan *pipe, maxPipes)}
}

// take returns an empty pipe, nil if all are in use or the system has none to give.
func (s *pipes) take() *pipe {
	select {
	case p := <-s.spare:
		return p
	default:
	}
	select {
	case s.places <- struct{}{}:
	default:
		return nil
	}
	p := newPipe()
	if p == nil {
		<-s.places
	}
	return p
}

// put takes an empty pipe back. A nil pipe is fine.
func (s *pipes) put(p *pipe) {
	if p != nil {
		s.spare <- p // there is room for all
	}
}

// drop closes a pipe for good.
func (s *pipes) drop(p *pipe) {
	p.close()
	<-s.places
}

// close closes the pipes that nobody uses: all, once no connection is left.
func (s *pipes) close() {
	for {
		select {
		case p := <-s.spare:
			s.drop(p)
		default:
			return
		}
	}
}
