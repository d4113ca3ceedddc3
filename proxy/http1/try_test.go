package http1

import (
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// tcp is a connection with its peer, both closed when the test ends.
func tcp(t *testing.T) (c *netio.Conn, peer net.Conn) {
	t.Helper()
	ln := testserver.Listen(t)
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	peer, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c = netio.New(nc, netio.NewSweeper(), time.Minute)
	t.Cleanup(func() { _, _ = c.Close(), peer.Close() })
	return c, peer
}

// A response is read without waiting once its head is whole, and by whoever waits until then.
func TestTryResponse(t *testing.T) {
	for _, tt := range []struct {
		name, first, then string
		early             bool // in one piece, so that no read need wait
		want              error
	}{
		{"whole", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "", true, nil},
		{"in pieces", "HTTP/1.1 200 OK\r\nContent-Le", "ngth: 2\r\n\r\nhi", false, nil},
		{"malformed", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "", true, ErrLength},
		{"malformed before it is whole", "HTTP/1.1 200 OK\nContent", "", true, ErrBareLF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, peer := tcp(t)
			r := NewReader(c, DefaultLimits(), nil, 0)
			defer r.Free()
			var h message.Head
			if ok, err := r.TryResponse(&h, false); ok || err != nil {
				t.Fatalf("nothing has come: %v, %v", ok, err)
			}
			_, _ = peer.Write([]byte(tt.first))
			var ok bool
			var err error
			testserver.WaitFor(t, 10*time.Second, "the bytes", func() bool {
				ok, err = r.TryResponse(&h, false)
				return r.Received()+int64(r.Buffered()) > 0
			})
			if ok != tt.early || !errors.Is(err, tt.want) {
				t.Fatalf("TryResponse = %v, %v; want %v, %v", ok, err, tt.early, tt.want)
			}
			if !ok {
				_, _ = peer.Write([]byte(tt.then))
				err = r.ReadResponse(&h, false)
			}
			if tt.want == nil && (err != nil || h.Status != 200 || h.ContentLength != 2) {
				t.Errorf("status %d, length %d, %v", h.Status, h.ContentLength, err)
			}
		})
	}
}

// What the socket does not take at once stays gathered.
func TestTryFlush(t *testing.T) {
	c, peer := tcp(t)
	w := Writer{Conn: c}
	defer w.Done()
	w.Head(append(w.Begin(), "GET / HTTP/1.1\r\n\r\n"...), false)
	if w.TryFlush(); w.Pending() != 0 || w.Sent() != 18 {
		t.Fatalf("%d bytes are left, %d were sent", w.Pending(), w.Sent())
	}
	big := strings.Repeat("x", 64<<20)
	w.Head(append(w.Begin(), big...), false)
	if w.TryFlush(); w.Pending() == 0 || w.Pending() == len(big) || w.Sent() != int64(18+len(big)-w.Pending()) {
		t.Fatalf("%d of %d bytes are left, %d were sent", w.Pending(), len(big), w.Sent())
	}
	_ = peer.Close()
	if err := w.Flush(); err == nil {
		t.Error("the rest went to a peer that is gone")
	}
}
