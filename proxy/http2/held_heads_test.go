package http2

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// mute never answers.
type mute struct{}

func (mute) Request(*Batch, *Stream, *message.Head, bool) Receiver { return nil }

// What the requests of one connection hold of heads and trailers is bounded. A request over that is refused, and there
// is room again when another one has ended.
func TestHeldHeads(t *testing.T) {
	large := with(post, "x", strings.Repeat("y", 6<<10))
	for _, row := range []struct {
		name string
		// open is how many streams are open before the first is sent: only trailers can be too much then.
		open int
		send func(p *peer, id uint32)
		code xhttp2.ErrCode
	}{
		{"heads", 0, func(p *peer, id uint32) { p.headers(id, false, large...) }, xhttp2.ErrCodeRefusedStream},
		{"heads without a body", 0, func(p *peer, id uint32) { p.headers(id, true, large...) },
			xhttp2.ErrCodeRefusedStream},
		{"trailers", 10, func(p *peer, id uint32) {
			p.data(id, false, 1)
			p.headers(id, true, "x", strings.Repeat("y", 6<<10))
		}, xhttp2.ErrCodeEnhanceYourCalm},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, srv, _ := serverPeer(t, mute{}, Options{HeldBytes: 40<<10 + max(5, row.open)*streamBytes})
				resets := make(chan xhttp2.ErrCode, 100)
				go func() {
					for {
						fr, err := p.ReadFrame()
						if err != nil {
							return
						}
						if r, ok := fr.(*xhttp2.RSTStreamFrame); ok {
							resets <- r.ErrCode
						}
					}
				}()
				for i := range row.open {
					p.headers(uint32(2*i+1), false, post...)
				}
				n := 0
				for len(resets) == 0 && n < 10 {
					row.send(p, uint32(2*n+1))
					synctest.Wait()
					n++
				}
				if len(resets) == 0 {
					t.Fatalf("%d streams hold what they like", n)
				}
				if code := <-resets; code != row.code || n < 3 || n > 7 {
					t.Errorf("stream number %d was reset with %v, want some five streams and %v", n, code, row.code)
				}
				if hits := p.hits.of(LimitHeads); (hits == 1) != (row.code == xhttp2.ErrCodeRefusedStream) {
					t.Errorf("limit counted %d times", hits)
				}
				p.write(p.WriteRSTStream(1, xhttp2.ErrCodeCancel))
				row.send(p, uint32(2*n+1))
				synctest.Wait()
				if len(resets) > 0 {
					t.Errorf("there is no room after a stream has ended: %v", <-resets)
				}
				for i := range max(n+1, row.open) {
					p.write(p.WriteRSTStream(uint32(2*i+1), xhttp2.ErrCodeCancel))
				}
				synctest.Wait()
				srv.mu.Lock()
				defer srv.mu.Unlock()
				if srv.streams.heads != 0 {
					t.Errorf("%d bytes are charged for no stream", srv.streams.heads)
				}
			})
		})
	}
}

// A peer that does not read is cut off once so much waits for it, whether somebody writes or not.
func TestOutputIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, ended := serverPeer(t, echo{}, Options{MaxStreams: 1000})
		most := 0
		for i := 0; len(ended) == 0 && i < 1000; i++ {
			if i == 40 { // whoever writes goes on, with all that waits
				if _, err := io.ReadFull(p.nc, make([]byte, 16<<10)); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			p.write(p.Headers(uint32(2*i+1), true, with(get, "x-big", strings.Repeat("y", 8<<10))...))
			synctest.Wait()
			srv.mu.Lock()
			most = max(most, len(srv.out.b)+srv.out.inHand)
			srv.mu.Unlock()
		}
		if most > outHard+16<<10 || most < outHard/2 {
			t.Errorf("%d bytes waited, want at most %d", most, outHard)
		}
		if len(ended) == 0 || p.hits.of(LimitOutput) != 1 {
			t.Errorf("a peer that does not read was not cut off, the limit was counted %d times",
				p.hits.of(LimitOutput))
		}
	})
}

// A head that is taken leaves a buffer behind that is much larger than it.
func TestTakeHead(t *testing.T) {
	for _, row := range []struct{ value, buffer, most int }{
		{100, 1 << 10, 1 << 10},
		{100, 64 << 10, 1 << 10},
		{40 << 10, 64 << 10, 48 << 10},
	} {
		src := &message.Head{Buf: make([]byte, 0, row.buffer)}
		src.Append([]byte("x"), make([]byte, row.value))
		var dst message.Head
		TakeHead(&dst, src)
		if got := len(dst.Value(&dst.Fields[0])); got != row.value || cap(dst.Buf) > row.most {
			t.Errorf("a value of %d bytes from a buffer of %d takes %d", got, row.buffer, cap(dst.Buf))
		}
	}
}
