package http2

import (
	"context"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// script is a net.Conn that plays bytes back in pieces, and takes everything or, at times, nothing for a while.
type script struct {
	in     []byte
	piece  int
	wrote  int
	closed chan struct{}
	once   sync.Once
}

func (s *script) Read(b []byte) (int, error) {
	if len(s.in) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.in[:min(len(s.in), s.piece)])
	s.in = s.in[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	default:
	}
	s.wrote += len(b)
	return len(b), nil
}

func (s *script) Close() error                     { s.once.Do(func() { close(s.closed) }); return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// checker is an owner that holds the codec to its promises.
type checker struct {
	t    *testing.T
	open map[*Stream]*checked
}

type checked struct {
	k     *checker
	relay Relay
	final bool
	over  bool
}

func (k *checker) head(h *message.Head) {
	for i := range h.Fields {
		f := &h.Fields[i]
		if !message.ValidLowerName(h.Name(f)) || !message.ValidValue(h.Value(f)) {
			k.t.Errorf("field %q: %q came through", h.Name(f), h.Value(f))
		}
	}
	for _, part := range [][]byte{h.Method, h.Target, h.Path, h.Authority, h.Scheme} {
		if !message.ValidValue(part) {
			k.t.Errorf("%q came through in the start of a request", part)
		}
	}
}

func (k *checker) Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver {
	k.head(h)
	if !message.ValidHost(h.Authority) || len(h.Target) == 0 {
		k.t.Errorf("request for %q %q", h.Authority, h.Target)
	}
	x := &checked{k: k}
	k.open[s] = x
	f := b.Fields()
	f.Status(200)
	f.AddHead(h, 0)
	_ = s.WriteHead(b, f, end)
	if !end {
		x.relay.Init(s, false)
		_ = x.relay.Start(b, s)
	}
	return x
}

func (x *checked) Head(_ *Batch, _ *Stream, h *message.Head, end bool) {
	x.k.head(h)
	if x.final || x.over {
		x.k.t.Error("head behind the final one")
	}
	x.final = h.Status >= 200
	x.over = end
}

func (x *checked) Data(b *Batch, s *Stream, p []byte, end bool) {
	if x.over {
		x.k.t.Error("data behind the end")
	}
	x.over = end
	if s.c.client {
		s.Consumed(b, len(p))
		return
	}
	x.relay.Data(b, p, end)
}

func (x *checked) Trailers(b *Batch, s *Stream, h *message.Head) {
	x.k.head(h)
	if x.over {
		x.k.t.Error("trailers behind the end")
	}
	x.over = true
	if !s.c.client {
		f := b.Fields()
		f.AddHead(h, 0)
		_ = x.relay.Trailers(b, f)
	}
}

func (x *checked) Reset(b *Batch, s *Stream, _ ErrCode, cause error) {
	if cause == nil {
		x.k.t.Error("reset without a cause")
	}
	x.over = true
	if !s.c.client {
		x.relay.Stop(b)
	}
	delete(x.k.open, s)
}

func (x *checked) Writable(b *Batch, s *Stream) {
	if !s.c.client {
		_ = x.relay.Writable(b)
	}
}
func (x *checked) Timeout(*Batch, *Stream) {}

// fuzzSweeper is one sweeper for all runs of a fuzz target.
func fuzzSweeper(f *testing.F) *netio.Sweeper {
	sw := netio.NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); sw.Run(ctx) }()
	f.Cleanup(func() { cancel(); <-done })
	return sw
}

// seeds are conversations that reach most of the code: frames in order, and one thing wrong each.
func seeds(add func([]byte)) {
	settings := appendSettings(nil, setting{settingInitialWindowSize, 100}, setting{settingHeaderTableSize, 10})
	req := encodeBlock(with(post, "content-length", "105", "x-a", "b", "te", "trailers")...)
	resp := encodeBlock(":status", "200", "x-a", "b")
	info := encodeBlock(":status", "103")
	tail := encodeBlock("grpc-status", "0")
	for _, block := range [][]byte{req, resp} {
		call := appendCall(append([]byte(nil), settings...), 1, [][]byte{block, tail})
		add(call)
		add(appendRSTStream(append([]byte(nil), call...), 1, Cancel))
		add(appendGoAway(append([]byte(nil), call...), 1, NoError, "bye"))
		add(appendWindowUpdate(appendWindowUpdate(append([]byte(nil), call...), 1, 100), 0, 1<<30))
		add(appendPing(append([]byte(nil), call...), false, pingAlive))
		add(appendFrame(append([]byte(nil), call...), frame{0, frameSettings, flagAck, 0}))
		split := append([]byte(nil), settings...)
		split = append(appendFrame(split, frame{3, frameHeaders, flagEndStream, 1}), block[:3]...)
		split = append(appendFrame(split, frame{uint32(len(block) - 3), frameContinuation, flagEndHeaders, 1}),
			block[3:]...)
		add(split)
		padded := append([]byte(nil), settings...)
		padded = append(appendFrame(padded, frame{uint32(len(block) + 8), frameHeaders,
			flagPadded | flagPriority | flagEndHeaders, 1}), 2, 0, 0, 0, 0, 1)
		padded = append(append(padded, block...), 0, 0)
		padded = append(appendFrame(padded, frame{5, frameData, flagPadded, 1}), 2, 'a', 'b', 0, 0)
		add(padded)
	}
	both := append([]byte(nil), settings...)
	both = append(appendFrame(both, frame{uint32(len(info)), frameHeaders, flagEndHeaders, 1}), info...)
	add(appendCall(both, 1, [][]byte{resp, nil}))
}

// play makes well-formed frames of a program, four bytes each: what, on which stream, with which flags, and how much.
// Mutating it reaches states that mutated bytes do not.
func play(program []byte, palette [][]byte) []byte {
	var out []byte
	for ; len(program) >= 4; program = program[4:] {
		what, stream, flags, n := program[0], uint32(program[1]%16), program[2], int(program[3])
		f := frame{0, what % 10, flags & (flagEndStream | flagEndHeaders), stream}
		var p []byte
		switch f.typ {
		case frameHeaders, frameContinuation, framePushPromise:
			p = palette[n%len(palette)]
			if flags&0x40 != 0 {
				p = p[:len(p)/2]
			}
		case frameData:
			p = make([]byte, n*4)
		case frameSettings:
			f.stream, f.flags = 0, flags&flagAck
			if f.flags == 0 {
				p = appendSettings(nil, setting{uint16(stream), uint32(n) << (flags & 31)})[frameHeaderLen:]
			}
		case framePing:
			f.stream, p = 0, make([]byte, 8)
		case frameGoAway:
			f.stream, p = 0, appendGoAway(nil, stream, ErrCode(flags&1), "")[frameHeaderLen:]
		case frameWindowUpdate:
			p = appendWindowUpdate(nil, 0, n<<(flags&31)&maxWindow)[frameHeaderLen:]
		case frameRSTStream:
			p = appendRSTStream(nil, 0, ErrCode(n))[frameHeaderLen:]
		case framePriority:
			p = []byte{0, 0, 0, byte(n), 1}
		}
		f.length = uint32(len(p))
		out = append(appendFrame(out, f), p...)
	}
	return out
}

// programs are seeds for play: requests that are answered, cut off, refused, and end in trailers.
var programs = [][]byte{
	{1, 1, 4, 0, 0, 1, 0, 50, 0, 1, 1, 50, 1, 3, 5, 1, 8, 0, 10, 1},
	{1, 1, 4, 0, 3, 1, 0, 8, 1, 3, 4, 0, 0, 3, 0, 200, 1, 3, 5, 3},
	{4, 4, 0, 0, 1, 1, 5, 0, 8, 1, 3, 1, 4, 4, 10, 1, 7, 0, 0, 0, 1, 3, 5, 0},
	{1, 1, 0, 0, 9, 1, 4, 1, 6, 0, 0, 0, 2, 1, 0, 1, 0, 3, 1, 1, 1, 1, 5, 2},
}

// FuzzServerFrames plays what a client might send. The connection must end or wait for more, hold little, and let
// nothing illegal through.
func FuzzServerFrames(f *testing.F) {
	seeds(func(b []byte) { f.Add(append([]byte(Preface), b...), []byte(nil), uint16(3)) })
	for _, p := range programs {
		f.Add(append([]byte(Preface), appendSettings(nil)...), p, uint16(50))
	}
	palette := [][]byte{encodeBlock(post...), encodeBlock(get...), encodeBlock("x-end", "1"),
		encodeBlock(with(post, "content-length", "8")...)}
	sw := fuzzSweeper(f)
	f.Fuzz(func(t *testing.T, raw, program []byte, piece uint16) {
		in := append(slices.Clip(raw), play(program, palette)...)
		k := &checker{t: t, open: map[*Stream]*checked{}}
		nc := &script{in: in, piece: int(piece) + 1, closed: make(chan struct{})}
		srv := NewServer(netio.New(nc, sw, 0), k, Options{MaxStreams: 10, MaxHeaderBytes: 4 << 10,
			StreamWindow: 1 << 10, ConnWindow: 1 << 17})
		if err := srv.Serve(nil); err == nil {
			t.Error("the end of a connection without a reason")
		}
		bounded(t, &srv.Conn, nc, len(in))
	})
}

// FuzzClientFrames plays what a server might answer to three requests.
func FuzzClientFrames(f *testing.F) {
	seeds(func(b []byte) { f.Add(b, []byte(nil), uint16(3)) })
	for _, p := range programs {
		f.Add(appendSettings(nil), p, uint16(50))
	}
	palette := [][]byte{encodeBlock(":status", "200"), encodeBlock(":status", "103"), encodeBlock("x-end", "1"),
		encodeBlock(":status", "200", "content-length", "8")}
	sw := fuzzSweeper(f)
	f.Fuzz(func(t *testing.T, raw, program []byte, piece uint16) {
		in := append(slices.Clip(raw), play(program, palette)...)
		k := &checker{t: t, open: map[*Stream]*checked{}}
		nc := &script{in: in, piece: int(piece) + 1, closed: make(chan struct{})}
		c := &Client{done: make(chan struct{})}
		c.init(netio.New(nc, sw, 0), Options{MaxHeaderBytes: 4 << 10, StreamWindow: 1 << 10}, true)
		for _, method := range []string{"GET", "HEAD", "POST"} {
			x := &checked{k: k}
			s, err := c.Open(&c.in.batch, request1(method), method != "POST", x)
			if err != nil {
				t.Fatal(err)
			}
			k.open[s] = x
		}
		c.loop()
		if c.ending() == nil {
			t.Error("the end of a connection without a reason")
		}
		for s, x := range k.open {
			if !x.over && s.over() {
				t.Error("a stream without a last event")
			}
		}
		bounded(t, &c.Conn, nc, len(in))
	})
}

// bounded checks what is left of a connection that is over, and what it answered.
func bounded(t *testing.T, c *Conn, nc *script, in int) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.streams.open) != 0 || len(c.out.b) != 0 || c.out.writing || c.in.frames.buf != nil ||
		c.in.headers.block != nil {
		t.Errorf("left: %d streams, %d bytes to write, writing %v", len(c.streams.open), len(c.out.b), c.out.writing)
	}
	if nc.wrote > 64*in+4096 {
		t.Errorf("%d bytes were written in answer to %d", nc.wrote, in)
	}
	if runtime.NumGoroutine() > 200 {
		t.Errorf("%d goroutines", runtime.NumGoroutine())
	}
}
