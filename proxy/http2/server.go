package http2

import (
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Server is the server's side of one connection.
type Server struct{ Conn }

// NewServer makes the server side of nc, which it owns from now on. Nothing is read or written before Serve.
func NewServer(nc *netio.Conn, h Handler, o Options) *Server {
	s := new(Server)
	s.init(nc, o, false)
	s.serve = h
	s.in.frames.preface = len(Preface)
	return s
}

// Serve serves the connection until it is over, and says why it is. That is io.EOF when the client left, [ErrIdle] and
// [ErrDrained] in good order, or a [*ConnError] when one side broke the rules. early is what was read of the
// connection before, the preface included. Afterwards the connection is closed, every stream has had its last event,
// and no goroutine of it is left.
func (s *Server) Serve(early []byte) error {
	o := &s.opt
	s.sendSettings([]setting{
		{settingMaxConcurrentStreams, uint32(o.MaxStreams)},
		{settingInitialWindowSize, uint32(o.firstWindow)},
		{settingMaxHeaderListSize, uint32(o.MaxHeaderBytes)},
	})
	return s.in.run(early)
}

// sendSettings appends our SETTINGS and opens the connection's window; the first batch writes them.
func (c *Conn) sendSettings(list []setting) {
	c.mu.Lock()
	c.out.grow(128)
	c.out.b = appendSettings(c.out.b, list...)
	if more := c.opt.ConnWindow - c.flow.window; more > 0 {
		c.out.b = appendWindowUpdate(c.out.b, 0, more)
		c.flow.window += more
	}
	c.leave(&c.in.batch)
}
