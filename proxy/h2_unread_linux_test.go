//go:build !race

package proxy_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A client has as many responses begun as it may, and takes no more of them: no byte, or some. What its connection
// holds is bounded, whatever else the endpoints have to send. docs/operations.md has the figure.
func TestHeldForUnreadResponses(t *testing.T) {
	t.Parallel()
	const conns, streams = 4, 100
	for _, row := range []struct{ taken, size int }{{0, 1500}, {0, 200 << 10}, {9000, 200 << 10}, {40000, 200 << 10}} {
		t.Run(fmt.Sprintf("%d of %d bytes", row.taken, row.size), func(t *testing.T) {
			if !testgateway.Apart(t) {
				return
			}
			s := testgateway.NewSockets(t)
			listening, address := s.Listen(2 * conns * streams)
			g := start(t, clustered("timeouts: {upstream: 0s}", "", address))
			var all []*frames
			for range conns {
				c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(row.taken)})
				c.Must(c.WriteWindowUpdate(0, 64<<20))
				c.Sync()
				all = append(all, c)
			}
			goroutines := runtime.NumGoroutine()
			before := testgateway.HeapAndStacks()
			for _, c := range all {
				for i := range streams {
					c.Ask(uint32(1+2*i), true, "GET", "/")
				}
			}
			response := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", row.size,
				bytes.Repeat([]byte("x"), row.size))
			request := make([]byte, 4<<10)
			for range conns * streams {
				e := s.Accept(listening)
				if n, err := unix.Read(e, request); n <= 0 {
					t.Fatalf("read a request: %d, %v", n, err)
				}
				if err := unix.SetNonblock(e, true); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Write(e, response); err != nil { // as much as the sockets take
					t.Fatal(err)
				}
			}
			for _, c := range all {
				for n := 0; n < streams*(1+row.taken); {
					switch fr := c.Next().(type) {
					case *http2.MetaHeadersFrame:
						n++
					case *http2.DataFrame:
						n += len(fr.Data())
					}
				}
			}
			const beside = 10 // workers that are kept for what comes next
			testserver.WaitFor(t, patience, "no goroutine for a response", func() bool {
				return runtime.NumGoroutine() <= goroutines+beside
			})
			runtime.GC() // what is in pools goes with the second
			runtime.GC()
			testgateway.WantHeld(t, before, conns, 1<<20)
		})
	}
}
