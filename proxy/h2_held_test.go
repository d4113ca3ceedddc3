package proxy_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/internal/testgateway"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// inUse is what is in use of heap and stacks.
func inUse() int {
	runtime.GC()
	runtime.GC() // what was in pools goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// fewGoroutines waits until the workers that are not needed any more have ended.
func (g *gateway) fewGoroutines() {
	g.t.Helper()
	testserver.WaitFor(g.t, patience, "few goroutines", func() bool { return runtime.NumGoroutine() < 100 })
}

// repeat is a field n times.
func repeat(n int, name, value string) (fields []string) {
	for range n {
		fields = append(fields, name, value)
	}
	return fields
}

// heavy are fields that take little on the wire, and much more where they are decoded.
var heavy = map[string][]string{
	"no fields":      nil,
	"indexed fields": repeat(195, "accept-encoding", "gzip, deflate"), // in the static table: a byte each
	"cookies":        repeat(195, "cookie", "a=b"),
	"fewer fields":   repeat(40, "accept-encoding", "gzip, deflate"), // as many streams with them as costs most
	// in the dynamic table: a byte each, but the first
	"large fields":  repeat(19, "x", strings.Repeat("y", 3300)),
	"large cookies": repeat(19, "cookie", strings.Repeat("y", 3300)),
}

// silentEndpoint never answers: it accepts connections, and over HTTP/2 that many streams.
func silentEndpoint(t *testing.T, protocol string, streams int) string {
	t.Helper()
	return eachConn(t, func(nc net.Conn) {
		if protocol != "http2" {
			return // it stays open
		}
		f := http2.NewFramer(nc, nil)
		_ = f.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(streams)})
		_ = f.WriteSettingsAck()
		_, _ = io.Copy(io.Discard, nc) // ends with the connection
	})
}

// eachConn has each connection to the address that it returns served, and closes it at the end of the test.
func eachConn(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	ln := testserver.Listen(t)
	go func() { // until the end of the test
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { nc.Close() })
			go serve(nc)
		}
	}()
	return ln.Addr().String()
}

// heldMost is the most that a client's connection holds, in KiB.
const heldMost = 1024

// A client opens as many streams as it may, each with as many fields as it may, and neither opens a window nor reads.
// What its connection holds is bounded. docs/operations.md has the figures.
func TestHeldForHeads(t *testing.T) {
	t.Parallel()
	const conns, streams = 4, 100
	for _, way := range []struct {
		name, protocol, route string
		goroutine             bool // each stream has one
		most                  int  // KiB for a connection without fields
	}{
		{"to HTTP/1.1", "http1", "", false, 850},
		{"to HTTP/2 with a goroutine", "http2", `retries: {on: ["503"]}`, true, 1000},
		{"relayed", "http2", "", false, 250},
	} {
		for name, fields := range heavy {
			t.Run(way.name+", "+name, func(t *testing.T) {
				if !testgateway.Apart(t) {
					return
				}
				e := silentEndpoint(t, way.protocol, conns*streams)
				g := start(t, clustered(way.route, "protocol: "+way.protocol, e))
				warm := g.dial2() // the connection to the endpoint is made, so that requests are relayed
				warm.Ask(1, true, "GET", "/")
				testserver.WaitFor(t, patience, "the first request", func() bool {
					return g.Clusters["app"].InFlight() == 1 && g.Clusters["app"].Status().Connections == 1
				})
				warm.Sync()
				var all []*frames
				for range conns {
					c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
					c.Sync()
					all = append(all, c)
				}
				before := inUse()
				for _, c := range all {
					for i := range streams {
						c.Ask(uint32(1+2*i), true, "GET", "/", fields...)
					}
					c.Sync()
				}
				last, still := int64(-1), 0
				testserver.WaitFor(t, patience, "the requests to be in flight", func() bool {
					n := g.Clusters["app"].InFlight()
					if still++; n != last {
						last, still = n, 0
					}
					return still > 10
				})
				if !way.goroutine {
					g.fewGoroutines()
				}
				held, n := (inUse()-before)/conns, int(last-1)/conns
				t.Logf("%d bytes for each connection, with %d streams", held, n)
				held >>= 10
				most := way.most
				switch {
				case fields != nil:
					most = max(most, heldMost)
				case n != streams:
					t.Errorf("%d streams are in flight, want %d", n, streams)
				}
				if testserver.Race { // its stacks and objects are larger
					most += most / 2
				}
				if held > most {
					t.Errorf("%d KiB are held for a connection, want at most %d", held, most)
				}
			})
		}
	}
}

// Trailers that wait behind a body for a client that opens no window are bounded too, whoever carries the request.
func TestHeldTrailers(t *testing.T) {
	for name, route := range ways {
		t.Run(name, func(t *testing.T) {
			_, _, down, up := relaying(t, route, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			const streams = 13
			// Beside ten of them there is room for a request, and none for an eleventh.
			large := strings.Repeat("y", 57<<10)
			ended, reset := 0, 0
			next := func() (head bool) {
				switch fr := down.Next().(type) {
				case *http2.MetaHeadersFrame:
					return true
				case *http2.RSTStreamFrame:
					reset++
					if fr.ErrCode != http2.ErrCodeInternal {
						t.Errorf("reset with %v", fr.ErrCode)
					}
				}
				return false
			}
			for i := range streams {
				down.Ask(uint32(3+2*i), true, "GET", "/")
				id := up.Any().StreamID
				up.Head(id, false, ":status", "200")
				for !next() { // a stream before it may be reset first
				}
				up.Must(up.WriteData(id, false, []byte("x")))
				block := up.Block("x", large)
				for first := true; len(block) > 0; first = false {
					n := min(len(block), 16<<10)
					if first {
						up.Must(up.WriteHeaders(http2.HeadersFrameParam{
							StreamID: id, BlockFragment: block[:n], EndStream: true,
						}))
					} else {
						up.Must(up.WriteContinuation(id, n == len(block), block[:n]))
					}
					block = block[n:]
				}
				up.Sync()
			}
			down.Must(down.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535}))
			for ended+reset < streams {
				if next() {
					ended++
				}
			}
			if ended != 10 {
				t.Errorf("%d streams of %d got their trailers, want ten", ended, streams)
			}
		})
	}
}
