package proxy

import (
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/relay"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// connH2 is an HTTP/2 connection from a client. Its reading goroutine runs serve and, inline, the events of its
// streams.
type connH2 struct {
	forward.ConnH2
	s    *Server
	conn *http2.Server

	// Of the reading goroutine, for the request in hand:
	decision route.Decision
	given    forward.Given
}

// serveHTTP2 carries streams on nc, which is what has become of a, until it is over.
func (s *Server) serveHTTP2(a *arrival, nc *netio.Conn, c route.Client) {
	d := s.newConnH2(nc, c)
	s.arrived(a, d)
	d.serve(nil)
}

func (s *Server) newConnH2(nc *netio.Conn, client route.Client) *connH2 {
	t := s.engine.Table()
	o := s.engine.H2Options(t)
	o.IdleTimeout = t.Timeouts.Idle
	c := &connH2{s: s}
	c.Init(s.engine, client)
	o.Count, o.Refused, o.TooLarge = c.limited, c.Refused, c.TooLarge
	c.conn = http2.NewServer(nc, c, o)
	return c
}

// serve carries streams until the connection is over. early is what was read of it before, the preface included.
func (c *connH2) serve(early []byte) {
	err := c.conn.Serve(early)
	c.Wait()
	c.s.engine.Logger.Debug("http2 connection ended", "remote", c.Client.IP, "reason", err)
	c.s.untrack(c, &c.Client)
}

// limited counts what the client does wrong, unless a request hears of it.
func (c *connH2) limited(l http2.Limit) {
	if l != http2.LimitStall {
		c.s.engine.Registry.Fault(telemetry.DPE).Inc()
	}
	c.s.engine.Logger.Debug("http2 limit", "limit", l.String())
}

// Request is a new stream. It is decided here, once, before anybody knows who carries it: the two reading goroutines
// where that can be, else an exchange.
func (c *connH2) Request(b *http2.Batch, st *http2.Stream, h *message.Head, end bool) http2.Receiver {
	g := &c.given
	*g = forward.Given{Start: c.s.engine.Now(), Decision: &c.decision}
	g.Reply = c.s.engine.Decide(g.Decision, h, &c.Client, g.Start, &c.Work)
	if g.Reply == nil && relay.Eligible(g.Decision, h, end) {
		if events := relay.Start(&c.ConnH2, b, st, h, end, g); events != nil {
			return events
		}
	}
	return c.Carry(b, st, h, end, g)
}

func (c *connH2) leave() { c.conn.Shutdown() }
func (c *connH2) drain() { c.conn.Shutdown() }
func (c *connH2) cut()   { c.conn.Close() }
