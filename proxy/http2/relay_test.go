package http2

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// gateway passes every request on to one upstream connection: what the proxy does, without its rules.
type gateway struct {
	t    testing.TB
	sw   *netio.Sweeper
	addr string
	o    Options

	mu sync.Mutex // guards up
	up *Client
}

// exchange is one request on its way: the receiver of both streams.
type exchange struct {
	down, up  *Stream
	req, resp Relay
}

type downSide exchange
type upSide exchange

func (g *gateway) client() *Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.up == nil || !g.up.Usable() {
		nc, err := net.Dial("tcp", g.addr)
		if err != nil {
			g.t.Errorf("dial upstream: %v", err)
			return nil
		}
		g.up = NewClient(netio.New(nc, g.sw, 5*time.Second), g.o)
	}
	return g.up
}

func (g *gateway) close() {
	g.mu.Lock()
	up := g.up
	g.mu.Unlock()
	if up != nil {
		up.Close()
		<-up.Done()
	}
}

func (g *gateway) Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver {
	x := &exchange{down: s}
	x.req.Init(s)
	f := b.Fields()
	f.Request(h.Method, h.Scheme, h.Authority, h.Target)
	f.AddHead(h, 0)
	if h.TETrailers {
		f.AddTETrailers()
	}
	up := g.client()
	if up == nil {
		s.Reset(b, InternalError)
		return nil
	}
	st, err := up.Open(b, f, end, (*upSide)(x))
	if err != nil {
		g.t.Errorf("Open: %v", err)
		s.Reset(b, RefusedStream)
		return nil
	}
	x.up = st
	if !end {
		_ = x.req.Start(b, st)
	}
	return (*downSide)(x)
}

func (x *downSide) Head(*Batch, *Stream, *message.Head, bool) {}
func (x *downSide) Data(b *Batch, _ *Stream, p []byte, end bool) {
	x.req.Data(b, p, end)
}
func (x *downSide) Trailers(b *Batch, _ *Stream, h *message.Head) {
	f := b.Fields()
	f.AddHead(h, 0)
	_ = x.req.Trailers(b, f)
}
func (x *downSide) Reset(b *Batch, _ *Stream, code ErrCode, _ error) {
	x.req.Stop(b)
	x.resp.Stop(b)
	x.up.Reset(b, code)
}
func (x *downSide) Writable(b *Batch, _ *Stream) { _ = x.resp.Writable(b) }
func (x *downSide) Timeout(*Batch, *Stream)      {}

func (x *upSide) Head(b *Batch, s *Stream, h *message.Head, end bool) {
	f := b.Fields()
	f.Status(h.Status)
	f.AddHead(h, 0)
	_ = x.down.WriteHead(b, f, end)
	if h.Status >= 200 && !end {
		x.resp.Init(s)
		_ = x.resp.Start(b, x.down)
	}
}
func (x *upSide) Data(b *Batch, _ *Stream, p []byte, end bool) { x.resp.Data(b, p, end) }
func (x *upSide) Trailers(b *Batch, _ *Stream, h *message.Head) {
	f := b.Fields()
	f.AddHead(h, 0)
	_ = x.resp.Trailers(b, f)
}
func (x *upSide) Reset(b *Batch, _ *Stream, code ErrCode, _ error) {
	x.resp.Stop(b)
	x.req.Stop(b)
	x.down.Reset(b, code)
}
func (x *upSide) Writable(b *Batch, _ *Stream) { _ = x.req.Writable(b) }
func (x *upSide) Timeout(*Batch, *Stream)      {}
