//go:build !race

package proxy_test

import (
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// eager is an endpoint of HTTP/2 that sends each response, without an end, as far as it is let.
type eager struct {
	mu   sync.Mutex
	sent int // bytes of bodies
}

func (e *eager) total() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sent
}

// serve serves one connection.
func (e *eager) serve(nc net.Conn) {
	f := http2.NewFramer(nc, nc)
	f.SetReuseFrames()
	if _, err := nc.Read(make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	_ = f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 10000})
	first := 65535
	windows := make(map[uint32]int)
	piece := make([]byte, 16<<10)
	send := func(id uint32) {
		for windows[id] > 0 {
			n := min(windows[id], len(piece))
			_ = f.WriteData(id, false, piece[:n])
			windows[id] -= n
			e.mu.Lock()
			e.sent += n
			e.mu.Unlock()
		}
	}
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if v, ok := fr.Value(http2.SettingInitialWindowSize); ok {
				first = int(v)
			}
			if !fr.IsAck() {
				_ = f.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			id := fr.StreamID
			windows[id] = first
			_ = f.WriteHeaders(http2.HeadersFrameParam{
				StreamID: id, BlockFragment: []byte{0x88}, EndHeaders: true, // :status 200
			})
			send(id)
		case *http2.WindowUpdateFrame:
			if id := fr.StreamID; id != 0 {
				windows[id] += int(fr.Increment)
				send(id)
			}
		}
	}
}

// A client takes no more of its responses, and endpoints of HTTP/2 have more to send. What they send ahead is bounded
// for each connection of a client, however quick it was before, whoever carries the requests. docs/operations.md has
// the figure.
func TestHeldAheadOfHTTP2(t *testing.T) {
	t.Parallel()
	const conns, streams = 8, 100
	for _, way := range []struct {
		name, route string
		most        int // bytes for a connection
	}{
		{"relayed", "timeouts: {upstream: 0s}", 1 << 20},
		{"with a goroutine", `timeouts: {upstream: 0s}, retries: {on: ["503"]}`, 1800 << 10},
	} {
		for _, taken := range []int{0, 9000, 70000} {
			t.Run(fmt.Sprintf("%s, %d bytes taken", way.name, taken), func(t *testing.T) {
				if !testgateway.Apart(t) {
					return
				}
				e := new(eager)
				g := start(t, clustered(way.route, "protocol: http2", eachConn(t, e.serve)))
				warm := g.dial2() // the connection to the endpoint is made, so that requests are relayed
				warm.Ask(1, true, "GET", "/")
				warm.Answer(1, "200")
				var all []*frames
				for range conns {
					c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(taken)})
					c.Must(c.WriteWindowUpdate(0, 64<<20))
					c.Sync()
					all = append(all, c)
				}
				before, sent := testgateway.HeapAndStacks(), e.total()
				for _, c := range all {
					for i := range streams {
						c.Ask(uint32(1+2*i), true, "GET", "/")
					}
					for n := 0; n < streams*(1+taken); {
						switch fr := c.Next().(type) {
						case *http2.MetaHeadersFrame:
							n++
						case *http2.DataFrame:
							n += len(fr.Data())
						}
					}
				}
				last, still := 0, 0
				testserver.WaitFor(t, patience, "the endpoint to have sent what it may", func() bool {
					n := e.total()
					if still++; n != last {
						last, still = n, 0
					}
					return still > 20
				})
				ahead := (last-sent)/conns - streams*taken
				t.Logf("%d bytes ahead of each", ahead)
				if most := 640 << 10; ahead > most {
					t.Errorf("%d bytes were sent ahead of a client that takes none, want at most %d", ahead, most)
				}
				runtime.GC() // what is in pools goes with the second
				runtime.GC()
				testgateway.WantHeld(t, before, conns, way.most)
			})
		}
	}
}
