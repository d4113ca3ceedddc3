package forward

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
)

// spliceLeast is how many bytes of a body must be missing to be worth a pipe.
const spliceLeast = 128 << 10

// splicing moves what is left of a large body by splice(2): a sized one, between HTTP/1.1 on plain sockets. The zero
// value moves nothing. It belongs to the goroutine that moves the body.
type splicing struct {
	from  *http1.Body // nil: nothing is spliced, any more
	to    *http1.Writer
	pipes *netio.Pipes
	s     *netio.Splicer // nil: not begun
}

// spliceResponse is for the body that u brings.
func (ex *exchange) spliceResponse(u upstream) splicing {
	from, fromH1 := u.(*upstreamH1)
	to, toH1 := ex.down.(*RequestH1)
	if !fromH1 || !toH1 {
		return splicing{}
	}
	return splicing{from: &from.body, to: &to.w, pipes: ex.engine.Pipes}
}

// splice is for the body that goes to up. One that is kept for another attempt is not spliced.
func (u *upload) splice(up upstream) splicing {
	from, fromH1 := u.down.(*RequestH1)
	to, toH1 := up.(*upstreamH1)
	if !fromH1 || !toH1 || u.replays {
		return splicing{}
	}
	return splicing{from: &from.body, to: &to.w, pipes: u.engine.Pipes}
}

// next is the next piece of the request's body: p, or n bytes that way has taken.
func (u *upload) next(way *splicing) (p []byte, n int, err error) {
	if way.worth() {
		n, err = way.fill()
		return nil, n, err
	}
	p, err = u.down.Next()
	return p, len(p), err
}

// pass passes the piece on.
func (u *upload) pass(up upstream, way *splicing, p []byte) error {
	if p == nil {
		return way.drain()
	}
	u.buffer.keep(p, u.answered.Load())
	return up.Body(p)
}

// worth tells whether the next piece is to be spliced: nothing of the body is at hand, and much is missing.
func (s *splicing) worth() bool {
	return s.from != nil && s.from.Spliceable() >= spliceLeast && s.to.Conn.Plain()
}

// fill takes the next piece from the source, and says how many bytes it has. 0 without an error means that the rest is
// not to be spliced.
func (s *splicing) fill() (int, error) {
	if s.s == nil {
		s.s = netio.NewSplicer(s.pipes)
	}
	n, err := s.from.Fill(s.s)
	if errors.Is(err, netio.ErrNoSplice) {
		s.from = nil
		return 0, nil
	}
	return n, err
}

// drain writes the piece, if there is one.
func (s *splicing) drain() error {
	if s.s == nil {
		return nil
	}
	return s.to.Drain(s.s)
}

// end gives back what was taken.
func (s *splicing) end() {
	if s.s != nil {
		s.s.End()
		s.s = nil
	}
}
