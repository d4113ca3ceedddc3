package message_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// TestStatusInBothCodecs: what is a status to one codec is one to the other.
func TestStatusInBothCodecs(t *testing.T) {
	sw := netio.NewSweeper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { sw.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	for _, row := range []struct {
		status string
		want   int // 0: refused
	}{
		{"099", 0}, {"100", 100}, {"103", 103}, {"199", 199}, {"200", 200}, {"299", 299}, {"418", 418}, {"500", 500},
		{"599", 599},
		{"600", 0}, {"700", 0}, {"999", 0}, {"000", 0}, {"20", 0}, {"2000", 0}, {"2x0", 0}, {"-20", 0},
	} {
		var h message.Head
		lim := http1.DefaultLimits()
		err := http1.ParseResponse(fmt.Appendf(nil, "HTTP/1.1 %s \r\nContent-Length: 0\r\n\r\n", row.status), &h, &lim,
			false)
		if got := h.Status; (err == nil) != (row.want > 0) || err == nil && got != row.want {
			t.Errorf("HTTP/1.1, %q: %d, %v; want %d", row.status, got, err, row.want)
		}
		got, err := statusOverHTTP2(t, sw, row.status)
		if (err == nil) != (row.want > 0) || err == nil && got != row.want {
			t.Errorf("HTTP/2, %q: %d, %v; want %d", row.status, got, err, row.want)
		}
	}
}

// statusOverHTTP2 is what a client makes of a response with that :status.
func statusOverHTTP2(t *testing.T, sw *netio.Sweeper, status string) (int, error) {
	ours, theirs := net.Pipe()
	c := http2.NewClient(netio.New(ours, sw, 30*time.Second), http2.Options{})
	defer func() { theirs.Close(); <-c.Done() }()
	if _, err := io.ReadFull(theirs, make([]byte, len(http2.Preface))); err != nil {
		t.Fatal(err)
	}
	p := http2.NewPipe()
	defer p.Close()
	f := new(http2.Fields)
	f.Request([]byte("GET"), []byte("http"), []byte("a"), []byte("/"))
	go func() {
		fr := xhttp2.NewFramer(theirs, theirs)
		_ = fr.WriteSettings()
		// A literal field without indexing, whose name is entry 8 of the static table: :status.
		block := append([]byte{0x08, byte(len(status))}, status...)
		for {
			frame, err := fr.ReadFrame()
			if err != nil {
				return
			}
			if frame.Header().Type == xhttp2.FrameHeaders {
				_ = fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true})
			}
		}
	}()
	s, err := c.Open(nil, f, true, p.Receiver())
	if err != nil {
		t.Fatal(err)
	}
	p.Attach(s, false)
	h, _, err := p.Head()
	if err != nil {
		return 0, err
	}
	return h.Status, nil
}
