package http2

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// newSweeper runs a sweeper for the length of the test.
func newSweeper(t testing.TB) *netio.Sweeper {
	t.Helper()
	s := netio.NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return s
}

// listen accepts loopback connections until the end of the test, each handled by serve in a goroutine of its own. The
// test ends when all have.
func listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, nc)
			mu.Unlock()
			all.Go(func() { serve(nc) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return ln.Addr().String()
}

// echo answers every request with the body it came with, as a relay of the stream to itself, and with its trailers.
type echo struct {
	seen func(h *message.Head)
}

type echoStream struct {
	relay Relay
}

func (e echo) Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver {
	if e.seen != nil {
		e.seen(h)
	}
	f := b.Fields()
	f.Status(200)
	f.Add([]byte("Content-Type"), []byte("text/plain"))
	f.Add([]byte("x-method"), h.Method)
	if big, ok := h.Find("x-big"); ok {
		f.Add([]byte("X-Big"), big)
	}
	if end {
		f.Add([]byte("content-length"), []byte("5"))
	}
	headOnly := end && string(h.Method) == "HEAD"
	if err := s.WriteHead(b, f, headOnly); err != nil || headOnly {
		return nil
	}
	x := new(echoStream)
	x.relay.Init(s, false)
	_ = x.relay.Start(b, s)
	if end {
		x.relay.Data(b, []byte("hello"), true)
	}
	return x
}

func (x *echoStream) Head(*Batch, *Stream, *message.Head, bool) {}
func (x *echoStream) Data(b *Batch, _ *Stream, p []byte, end bool) {
	x.relay.Data(b, p, end)
}
func (x *echoStream) Trailers(b *Batch, _ *Stream, h *message.Head) {
	f := b.Fields()
	f.AddHead(h, 0)
	_ = x.relay.Trailers(b, f)
}
func (x *echoStream) Reset(b *Batch, _ *Stream, _ ErrCode, _ error) { x.relay.Stop(b) }
func (x *echoStream) Writable(b *Batch, _ *Stream)                  { _ = x.relay.Writable(b) }
func (x *echoStream) Timeout(*Batch, *Stream)                       {}

// source answers every request with so many bytes, as fast as they are taken.
type source struct {
	bytes int
	sent  atomic.Int64
}

type sourceStream struct {
	discard
	src  *source
	left int
}

func (x *source) Request(b *Batch, s *Stream, _ *message.Head, _ bool) Receiver {
	f := b.Fields()
	f.Status(200)
	_ = s.WriteHead(b, f, false)
	r := &sourceStream{src: x, left: x.bytes}
	r.Writable(b, s)
	return r
}

func (r *sourceStream) Writable(b *Batch, s *Stream) {
	var p [32 << 10]byte
	for r.left > 0 {
		n := min(r.left, len(p))
		taken, err := s.WriteData(b, p[:n], n == r.left)
		r.left -= taken
		r.src.sent.Add(int64(taken))
		if err != nil || taken < n {
			return
		}
	}
}

// dial connects for the length of the test.
func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// serveOn listens and serves every connection with h.
func serveOn(t testing.TB, h Handler, o Options) string {
	sw := newSweeper(t)
	return listen(t, func(nc net.Conn) {
		_ = NewServer(netio.New(nc, sw, 5*time.Second), h, o).Serve(nil)
	})
}

// patience bounds a wait for what must happen, however busy the machine is.
const patience = time.Minute

// counts gathers the limits that were hit.
type counts struct {
	mu sync.Mutex
	n  [limitCount]int
}

func (c *counts) hit(l Limit) {
	c.mu.Lock()
	c.n[l]++
	c.mu.Unlock()
}

func (c *counts) of(l Limit) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[l]
}

func isConnError(err error, code ErrCode) bool {
	var ce *ConnError
	return errors.As(err, &ce) && ce.Code == code
}

// over tells whether our side of the stream can send no more.
func (s *Stream) over() bool {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return !s.sendable()
}

// streamOf is a stream of the connection, nil if it is not there.
func streamOf(c *Conn, id uint32) *Stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams.open[id]
}

// unsent is how many bytes of the stream's window the peer has not used, or was given back.
func unsent(s *Stream) int {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.flow.window + s.flow.credit
}

// stream is what was attached to the pipe.
func (p *Pipe) stream() *Stream {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.s
}

// took holds that something took so long, on the clock of a synctest bubble. The sweeper, whose clock it is, looks once
// in a period.
func took(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(began); d < want || d > want+netio.Period {
		t.Errorf("it took %v, want %v to %v", d, want, want+netio.Period)
	}
}

// ending waits for the end of the connection and says why it is over.
func (c *Client) ending() error {
	<-c.done
	return c.over
}

// freePlaces is how many more streams the peer takes now.
func (c *Client) freePlaces() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.usable() {
		return 0
	}
	return max(0, c.free())
}

// active is the number of open streams.
func (c *Conn) active() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams.open)
}
