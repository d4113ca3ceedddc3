//go:build !race

package http1

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// ring is a peer that sends the same bytes over and over, each time in these pieces.
type ring struct {
	script
	all []string
	at  int
}

func (r *ring) Read(b []byte) (int, error) {
	n := copy(b, r.all[r.at%len(r.all)])
	if n < len(r.all[r.at%len(r.all)]) {
		panic("BUG: the pieces of a ring fit every buffer")
	}
	r.at++
	return n, nil
}

// TestNoAllocations: heads and bodies are read, and heads written, without any. The race detector would make the pools
// forget.
func TestNoAllocations(t *testing.T) {
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	const sized = "POST / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\nUser-Agent: x\r\nContent-Length: 5000\r\n" +
		"\r\n"
	data := strings.Repeat("d", 1000)
	tests := []struct {
		name     string
		pieces   []string
		response bool
	}{
		{"request", []string{"P", sized[1:], data, data, data, data, data}, false},
		{"response", []string{"H", nginxHead[1:] + data[:130]}, true},
		{"chunked", []string{"H", chunked[1:] + "3e8\r\n", data, "\r\n3e8;x=y\r\n", data[:500], data[:500] + "\r\n",
			"0\r\n\r\n"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			peer := &ring{all: tt.pieces}
			c := netio.New(peer, netio.NewSweeper(), 0)
			r := NewReader(c, DefaultLimits(), nil, 0)
			w := Writer{Conn: netio.New(&discard{}, netio.NewSweeper(), 0)}
			var h message.Head
			var b Body
			step := func() {
				var err error
				if tt.response {
					err = r.ReadResponse(&h, false)
				} else {
					err = r.ReadRequest(&h)
				}
				if err != nil {
					t.Fatal(err)
				}
				r.Body(&b, &h)
				out := h.AppendFields(AppendStatusLine(w.Begin(), 200, nil), message.Of(message.TransferEncoding))
				out = AppendField(AppendField(out, "X-Own", "value"), "Content-Length", "5")
				w.Head(append(out, "\r\n"...), h.Body == message.Chunked)
				for {
					b.Ready()
					p, err := b.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err == nil {
						err = w.Body(p)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if err := w.End(b.Trailers(), 0); err != nil {
					t.Fatal(err)
				}
				w.Done()
				r.Done()
			}
			step()
			if n := testing.AllocsPerRun(200, step); n != 0 {
				t.Errorf("allocates %v times, want 0", n)
			}
		})
	}
}

// discard is a connection whose peer reads everything.
type discard struct{ script }

func (*discard) Write(b []byte) (int, error) { return len(b), nil }
