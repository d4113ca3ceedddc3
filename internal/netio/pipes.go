package netio

const (
	// maxPipes bounds the pipes of one server, of two descriptors each, beside two descriptors a connection.
	maxPipes = 64
	// PipeBytes is what a pipe holds. Larger ones mean fewer system calls a gigabyte, and more kernel memory behind a
	// stalled reader. Without privileges the kernel allows 64 MiB of pipes to a user (pipe-user-pages-soft), so all
	// those of two servers fit twice.
	PipeBytes = 256 << 10
)

// Pipe is the pair of descriptors that [Splice] needs between two sockets.
type Pipe struct {
	In, Out uintptr
}

// Pipes are the pipes of a server: made when asked for, 64 at most, kept when given back. Safe from any goroutine.
type Pipes struct {
	limit  *Limit
	places chan struct{} // one taken for each pipe that exists
	spare  chan *Pipe
}

// NewPipes makes pipes as long as limit has descriptors for them; it may be nil.
func NewPipes(limit *Limit) *Pipes {
	return &Pipes{limit: limit, places: make(chan struct{}, maxPipes), spare: make(chan *Pipe, maxPipes)}
}

// Take returns an empty pipe, nil if all are in use or the system has none to give. A nil Pipes has none.
func (s *Pipes) Take() *Pipe {
	if s == nil {
		return nil
	}
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
	if p != nil && !s.limit.mayConnect(int(max(p.In, p.Out))) {
		p.close()
		p = nil
	}
	if p == nil {
		<-s.places
	}
	return p
}

// Put takes an empty pipe back. A nil pipe is fine.
func (s *Pipes) Put(p *Pipe) {
	if p != nil {
		s.spare <- p // there is room for all
	}
}

// Drop closes a pipe for good, whatever is in it.
func (s *Pipes) Drop(p *Pipe) {
	p.close()
	<-s.places
}

// Made is how many pipes there are, and Spare how many of them nobody uses.
func (s *Pipes) Made() int  { return len(s.places) }
func (s *Pipes) Spare() int { return len(s.spare) }

// Close closes the pipes that nobody uses: all, once no connection is left.
func (s *Pipes) Close() {
	for {
		select {
		case p := <-s.spare:
			s.Drop(p)
		default:
			return
		}
	}
}
