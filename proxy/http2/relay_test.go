package http2

import (
	"errors"
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

	mu sync.Mutex
	// +checklocks:mu
	up *Client

	once sync.Once
	room chan struct{} // a token for one of those who wait for a place upstream
	late sync.WaitGroup
}

// exchange is one request on its way: the receiver of both streams.
type exchange struct {
	down *Stream
	req  Relay
	resp Relay

	mu sync.Mutex
	// +checklocks:mu
	up *Stream
	// +checklocks:mu
	over bool // down was reset
}

// opened begins the request's way upstream, unless the client has left meanwhile.
func (x *exchange) opened(b *Batch, up *Stream, end bool) {
	x.mu.Lock()
	x.up = up
	over := x.over
	x.mu.Unlock()
	switch {
	case over:
		up.Reset(b, Cancel)
	case !end:
		_ = x.req.Start(b, up)
	}
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
		g.once.Do(func() { g.room = make(chan struct{}, 1) })
		o := g.o
		o.Room = g.tell
		g.up = NewClient(netio.New(nc, g.sw, 5*time.Second), o)
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
	g.late.Wait()
}

// tell lets one of those who wait for a place upstream try.
func (g *gateway) tell() {
	select {
	case g.room <- struct{}{}:
	default:
	}
}

// openLater opens the stream once there is a place. Its goroutine ends then, or with the connection.
func (g *gateway) openLater(x *exchange, up *Client, f *Fields, end bool) {
	g.late.Go(func() {
		for {
			select {
			case <-g.room:
			case <-up.Done():
			}
			st, err := up.Open(nil, f, end, (*upSide)(x))
			if errors.Is(err, ErrNoCapacity) {
				continue
			}
			g.tell() // there may be places for more
			if err != nil {
				x.down.Reset(nil, RefusedStream)
				return
			}
			x.opened(nil, st, end)
			return
		}
	})
}

func (g *gateway) Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver {
	x := &exchange{down: s}
	x.req.Init(s, false)
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
	switch {
	case errors.Is(err, ErrNoCapacity):
		g.openLater(x, up, f.clone(), end)
	case err != nil:
		g.t.Errorf("Open: %v", err)
		s.Reset(b, RefusedStream)
		return nil
	default:
		x.opened(b, st, end)
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
	x.mu.Lock()
	x.over = true
	up := x.up
	x.mu.Unlock()
	if up != nil {
		up.Reset(b, code)
	}
}
func (x *downSide) Writable(b *Batch, _ *Stream) { _ = x.resp.Writable(b) }
func (x *downSide) Timeout(*Batch, *Stream)      {}

func (x *upSide) Head(b *Batch, s *Stream, h *message.Head, end bool) {
	f := b.Fields()
	f.Status(h.Status)
	f.AddHead(h, 0)
	_ = x.down.WriteHead(b, f, end)
	if h.Status >= 200 && !end {
		x.resp.Init(s, false)
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
