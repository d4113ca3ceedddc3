package netio

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// ErrNoSplice says that bytes are not to go by splice(2). There may be no pipe to be had, or the sockets are of a kind
// that cannot. Or the bytes come in such small pieces that it is not worth it. Nothing was moved.
var ErrNoSplice = errors.New("no splice")

const (
	// smallPiece is what a splice is worth for; less than that, fewPieces times in a row, is not.
	smallPiece = BufferSize
	fewPieces  = 8
)

// Splicer moves bytes from one plain socket to another through a pipe: they never come to user space. Each
// [Splicer.Fill] is followed by a [Splicer.Drain]. It belongs to one goroutine, which reads the source and writes the
// destination meanwhile. It holds no pipe while it waits for the source.
type Splicer struct {
	pipes *Pipes
	pipe  *Pipe // nil: none
	held  int   // bytes in it
	small int   // pieces in a row

	c    *Conn // whose callback runs
	most int   // bytes to fill
	e    syscall.Errno
	none bool // with splice this does not go

	fillFn, drainFn func(uintptr) bool
}

var splicers = sync.Pool{New: func() any {
	s := new(Splicer)
	s.fillFn, s.drainFn = s.tryFill, s.tryDrain
	return s
}}

// NewSplicer takes a Splicer from the pool, which uses pipes. End gives it back.
func NewSplicer(pipes *Pipes) *Splicer {
	s := splicers.Get().(*Splicer)
	s.pipes = pipes
	return s
}

// End gives s back. A pipe with bytes in it is of no more use to anybody.
func (s *Splicer) End() {
	if s.held > 0 {
		s.pipes.Drop(s.pipe)
		s.pipe = nil
	}
	s.rest()
	s.pipes, s.c, s.held, s.small, s.none = nil, nil, 0, 0, false
	splicers.Put(s)
}

// rest gives the pipe back, which is empty.
func (s *Splicer) rest() {
	s.pipes.Put(s.pipe)
	s.pipe = nil
}

// Fill takes up to n bytes from c, which is left with what comes behind them. It waits and fails as [Conn.Read], or
// with ErrNoSplice.
func (s *Splicer) Fill(c *Conn, n int64) (int, error) {
	if !c.plain || c.peeked || s.none {
		return 0, ErrNoSplice
	}
	s.c, s.most = c, int(min(n, PipeBytes))
	for {
		err := c.raw.Read(s.fillFn)
		switch {
		case err != nil:
			if err = c.why(err); err != nil {
				return 0, err
			}
		case s.none:
			return 0, ErrNoSplice
		case s.e != 0:
			return 0, s.e
		case s.held == 0:
			return 0, io.EOF
		default:
			s.weigh()
			return s.held, nil
		}
	}
}

// weigh finds out whether pieces come large enough.
func (s *Splicer) weigh() {
	if s.held >= smallPiece {
		s.small = 0
		return
	}
	s.small++
	s.none = s.small >= fewPieces
}

func (s *Splicer) tryFill(fd uintptr) bool {
	if s.pipe == nil {
		if s.pipe = s.pipes.Take(); s.pipe == nil {
			s.none = true
			return true
		}
	}
	s.held, s.e = Splice(fd, s.pipe.In, s.most)
	switch {
	case s.e == 0 && s.held > 0:
		return true
	case s.e == syscall.EINVAL, s.e == syscall.ENOSYS:
		s.none = true
	}
	s.held = 0
	s.rest()
	return s.e != syscall.EAGAIN
}

// Drain writes to c what Fill has taken. It waits and fails as [Conn.Write]. c must be a plain socket.
func (s *Splicer) Drain(c *Conn) (int, error) {
	s.c, s.e = c, 0
	n := s.held
	for {
		err := c.raw.Write(s.drainFn)
		if err == nil && s.e == 0 {
			return n, nil
		}
		if err == nil {
			err = s.e
		}
		if again, err := c.whyWrite(err); !again {
			return n - s.held, err
		}
	}
}

func (s *Splicer) tryDrain(fd uintptr) bool {
	for s.held > 0 {
		n, e := Splice(s.pipe.Out, fd, s.held)
		if s.e = e; e == syscall.EAGAIN {
			s.c.armWrite()
			return false
		}
		if e == 0 && n == 0 {
			s.e = syscall.EPIPE // never seen, and no reason to go on for ever
		}
		if s.e != 0 {
			break
		}
		s.held -= n
	}
	s.c.disarmWrite()
	return true
}
