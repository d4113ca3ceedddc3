package http1

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// TestIdleHoldsNothing: between messages there is no buffer, unless bytes of the next one are in it.
func TestIdleHoldsNothing(t *testing.T) {
	const in = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	for way, r := range ways(DefaultLimits(), in+in[:1]) {
		var h message.Head
		if err := r.ReadRequest(&h); err != nil {
			t.Fatal(err)
		}
		more := r.Buffered() > 0
		r.Done()
		if r.head != nil || (r.cur != nil) != more {
			t.Errorf("%s: after Done with %d bytes behind: buffer %v, head's %v", way, r.Buffered(), r.cur != nil,
				r.head != nil)
		}
		if err := r.ReadRequest(&h); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: what came behind was lost: %v", way, err)
		}
		r.Free()
		if r.cur != nil || r.Buffered() != 0 || r.peek() != nil {
			t.Errorf("%s: something is left after Free", way)
		}
	}
}

// TestWaitLetsGo: what has been used up is not held while more is waited for.
func TestWaitLetsGo(t *testing.T) {
	r := reader(DefaultLimits(), "x", "y")
	if err := r.wait(); err != nil || r.Buffered() != 1 {
		t.Fatalf("%d bytes, %v", r.Buffered(), err)
	}
	if err := r.wait(); err != nil || string(r.peek()) != "x" {
		t.Fatalf("Wait with a byte at hand: %q, %v", r.peek(), err)
	}
	if b := r.Take(); string(b) != "x" || r.Buffered() != 0 {
		t.Errorf("Take = %q, %d left", b, r.Buffered())
	}
	if err := r.wait(); err != nil || string(r.Take()) != "y" {
		t.Errorf("the next byte: %v", err)
	}
	if err := r.wait(); !errors.Is(err, io.EOF) || r.cur != nil {
		t.Errorf("at the end: %v, buffer %v", err, r.cur != nil)
	}
	if n := r.Received(); n != 2 {
		t.Errorf("Received = %d, want 2", n)
	}
}

func TestReceived(t *testing.T) {
	const head, body = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000\r\n\r\n", 50_000
	r := reader(DefaultLimits(), drips(head+strings.Repeat("x", body), 1000)...)
	var h message.Head
	if err := r.ReadRequest(&h); err != nil {
		t.Fatal(err)
	}
	var b Body
	r.Body(&b, &h)
	if _, err := all(&b); err != nil {
		t.Fatal(err)
	}
	if n := r.Received(); n != int64(len(head)+body) {
		t.Errorf("Received = %d, want %d", n, len(head)+body)
	}
	r.Done()
	if n := r.Received(); n != 0 {
		t.Errorf("Received after Done = %d", n)
	}
}

// endless is a peer that never stops sending the same byte, and counts.
type endless struct {
	script
	byte byte
	sent int
}

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = e.byte
	}
	e.sent += len(b)
	return len(b), nil
}

// TestBounded: a peer that never ends its head gets no more than the limit, and a buffer's worth, read.
func TestBounded(t *testing.T) {
	lim := DefaultLimits()
	for _, c := range []byte("aG /:\r;0") {
		for name, read := range map[string]func(*Reader) error{
			"request":  func(r *Reader) error { return r.ReadRequest(new(message.Head)) },
			"response": func(r *Reader) error { return r.ReadResponse(new(message.Head), false) },
			"chunked": func(r *Reader) error {
				var b Body
				r.Body(&b, &chunkedHead)
				_, err := b.Next()
				return err
			},
		} {
			peer := &endless{byte: c}
			r := NewReader(netio.New(peer, netio.NewSweeper(), 0), lim, nil, 0)
			var refused *Error
			if err := read(r); !errors.As(err, &refused) {
				t.Errorf("%s of %q: %v, want a refusal", name, c, err)
			}
			if peer.sent > lim.HeadBytes+netio.BulkSize {
				t.Errorf("%s of %q: %d bytes were read", name, c, peer.sent)
			}
			r.Free()
		}
	}
}

// TestReadersShareNothing: many connections at once, in any order; a buffer given back twice or too early would mix
// them up.
func TestReadersShareNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	type side struct {
		*Reader
		id   int
		h    message.Head
		body Body
		want string // of the body, still to come
		busy bool
	}
	message1 := func(id, n int) (in, body string) {
		body = strings.Repeat(fmt.Sprintf("<%d>", id), n%9000)
		pad := strings.Repeat(fmt.Sprintf("(%d)", id), n%7001)
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: h\r\nPad: %s\r\nContent-Length: %d\r\n\r\n%s", id, pad,
			len(body), body), body
	}
	var sides []*side
	for id := range 12 {
		var in strings.Builder
		for n := range 20 {
			s, _ := message1(id, n*n*37+id)
			in.WriteString(s)
		}
		sides = append(sides, &side{id: id, Reader: reader(DefaultLimits(), drips(in.String(), 500+id*1000)...)})
	}
	done, counts := 0, make([]int, len(sides))
	for done < len(sides)*20 {
		scribble()
		s := sides[r.IntN(len(sides))]
		switch {
		case counts[s.id] == 20:
		case !s.busy:
			if err := s.ReadRequest(&s.h); err != nil {
				t.Fatal(err)
			}
			s.Reader.Body(&s.body, &s.h)
			_, s.want = message1(s.id, counts[s.id]*counts[s.id]*37+s.id)
			s.busy = true
		default:
			p, err := s.body.Next()
			if err == nil && strings.HasPrefix(s.want, string(p)) {
				s.want = s.want[len(p):]
				continue
			}
			in, body := message1(s.id, counts[s.id]*counts[s.id]*37+s.id)
			if !errors.Is(err, io.EOF) || s.want != "" || string(s.h.Buf) != in[:len(in)-len(body)] {
				t.Fatalf("connection %d, message %d is mixed up: %v", s.id, counts[s.id], err)
			}
			s.Done()
			s.busy = false
			counts[s.id]++
			done++
		}
	}
}

// scribble is somebody else who uses buffers of the pools, and writes all over them.
func scribble() {
	var taken []*netio.Buffer
	for range 3 {
		taken = append(taken, netio.NewBuffer(), netio.NewBulk(), netio.Fitting(1), netio.Fitting(1000))
	}
	for _, b := range taken {
		for i := range b.B[:200] {
			b.B[i] = '!'
		}
		b.Free()
	}
}

// TestBodyBuffers: a body that comes slowly, or fits behind its head, holds no large buffer; one that comes fast does.
func TestBodyBuffers(t *testing.T) {
	const small, bulk = netio.BufferSize, netio.BulkSize
	for _, row := range []struct {
		head, body, piece int
		moved             bool // the body is not behind its head any more
		want              int  // the size of the buffer in the end
	}{
		{100, 3000, 1000, true, small}, // so small a head has a buffer of its size
		{100, 100_000, 1000, true, small},
		{3000, 3000, 1000, false, small},
		{3000, 100_000, 1000, false, small},
		{small - minRead + 1, 100_000, 1000, true, small},
		{100, 500_000, 200_000, true, bulk},
		{small, 500_000, 200_000, true, bulk},
		{bulk - minRead, 500_000, 500, false, bulk},
		{bulk, 20_000, 20_000, true, bulk}, // the head has filled its buffer, so more may come
	} {
		head := fmt.Sprintf("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nPad: ", row.body)
		head += strings.Repeat("p", row.head-len(head)-4) + "\r\n\r\n"
		r := reader(DefaultLimits(), append([]string{head}, drips(strings.Repeat("x", row.body), row.piece)...)...)
		var h message.Head
		var b Body
		if err := r.ReadRequest(&h); err != nil {
			t.Fatal(err)
		}
		r.Body(&b, &h)
		if _, err := all(&b); err != nil {
			t.Fatal(err)
		}
		if moved := r.head != nil; moved != row.moved || len(r.cur.B) != row.want {
			t.Errorf("%d bytes in pieces of %d behind a head of %d: buffer of %d, moved %v; want %d, %v", row.body,
				row.piece, row.head,
				len(r.cur.B), moved, row.want, row.moved)
		}
		r.Free()
		if a, b := netio.NewBuffer(), netio.NewBuffer(); a == b {
			t.Error("a buffer was given back twice")
		}
	}
}

// A request that waits holds a buffer of its size, with what has come behind its head.
func TestWaitingRequestHoldsLittle(t *testing.T) {
	for _, row := range []struct{ head, behind, want int }{
		{100, 0, 512},
		{100, 412, 512},
		{100, 413, 2 << 10},
		{1000, 1000, 2 << 10},
		{1000, 1049, netio.BufferSize},
		{2049, 0, netio.BufferSize},
	} {
		head := "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nPad: "
		head += strings.Repeat("p", row.head-len(head)-4) + "\r\n\r\n"
		body := strings.Repeat("x", row.behind)
		r := reader(DefaultLimits(), head+body)
		var h message.Head
		if err := r.ReadRequest(&h); err != nil || string(h.Buf) != head || string(r.peek()) != body {
			t.Errorf("a head of %d with %d behind it: %q, %q, %v", row.head, row.behind, h.Buf, r.peek(), err)
		}
		if got := len(r.cur.B); got != row.want {
			t.Errorf("a head of %d with %d behind it: a buffer of %d, want %d", row.head, row.behind, got, row.want)
		}
		r.Free()
	}
}

// TestHeadEnd: however little comes at a time, nothing is looked at twice.
func TestHeadEnd(t *testing.T) {
	for i := range len(wrkHead) {
		scanned := 0
		n, err := headEnd([]byte(wrkHead[:i]), &scanned)
		if n != 0 || err != nil || scanned != i {
			t.Errorf("%d bytes: %d, %v, scanned %d", i, n, err, scanned)
		}
		if n, err = headEnd([]byte(wrkHead+"rest"), &scanned); n != len(wrkHead) || err != nil {
			t.Errorf("the rest behind %d bytes: %d, %v; want %d", i, n, err, len(wrkHead))
		}
	}
}

// TestOverSockets: the same over real sockets, where reads come as the kernel has them.
func TestOverSockets(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const requests = 200
	sent := make(chan error, 1)
	go func() {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			sent <- err
			return
		}
		defer nc.Close()
		for i := range requests {
			body := strings.Repeat("b", i*300)
			if _, err = fmt.Fprintf(nc, "POST /%d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: "+
				"chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", i, len(body)+1, body+"!"); err != nil {
				break
			}
		}
		sent <- err
	}()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := netio.New(nc, netio.NewSweeper(), 0)
	defer c.Close()
	r := NewReader(c, DefaultLimits(), nil, 0)
	var h message.Head
	var b Body
	for i := range requests {
		if err := r.ReadRequest(&h); err != nil || string(h.Target) != fmt.Sprintf("/%d", i) {
			t.Fatalf("request %d: %q, %v", i, h.Target, err)
		}
		r.Body(&b, &h)
		if body, err := all(&b); err != nil || body != strings.Repeat("b", i*300)+"!" {
			t.Fatalf("body %d: %d bytes, %v", i, len(body), err)
		}
		r.Done()
	}
	if err := r.ReadRequest(&h); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}
