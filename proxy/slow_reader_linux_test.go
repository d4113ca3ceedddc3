package proxy_test

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// taken is how much the gateway has read of each of its connections to endpoints. That is what has come there, without
// what still waits in the socket.
func taken(t testing.TB, conns []*net.TCPConn) (bytes []int) {
	t.Helper()
	for _, c := range conns {
		raw, err := c.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Error(err)
				return
			}
			waits, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
			if err != nil {
				t.Error(err)
			}
			bytes = append(bytes, int(info.Bytes_received)-waits)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return bytes
}

// heap is what is in use of the heap.
func heap() int {
	runtime.GC()
	runtime.GC() // what was in pools goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse)
}

// Clients that do not read make the gateway hold a bounded part of what endpoints have to say. That is what it takes
// from them ahead of its clients, and the memory that the process needs for it.
func TestHeldForASlowReader(t *testing.T) {
	const streams, window, size = 16, 1000, 64 << 20
	for _, tt := range []struct {
		protocol string
		ahead    int // of one stream
	}{
		{"http1", 64 << 10},
		{"http2", 264 << 10}, // the stream's window
	} {
		t.Run(tt.protocol, func(t *testing.T) {
			alone(t)
			var mu sync.Mutex // guards conns
			var conns []*net.TCPConn
			piece := bytes.Repeat([]byte("x"), 64<<10)
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/first" {
					return
				}
				w.Header().Set("Content-Length", strconv.Itoa(size))
				for range size / len(piece) {
					if _, err := w.Write(piece); err != nil {
						return
					}
				}
				t.Error("somebody has read it all")
			}))
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetHTTP1(true)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			s.Start()
			t.Cleanup(s.Close)
			dial := netio.Dialer(nil)
			g := start(t, clustered("", "protocol: "+tt.protocol, s.Listener.Addr().String()), func(o *proxy.Options) {
				o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					nc, err := dial(ctx, address)
					if err == nil {
						mu.Lock()
						defer mu.Unlock()
						conns = append(conns, nc.(*net.TCPConn))
					}
					return nc, err
				}
			})
			c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
			c.Ask(1, true, "GET", "/first")
			c.Answer(1, "200")
			before := heap()

			for i := range streams {
				c.Ask(uint32(3+2*i), true, "GET", "/")
			}
			for got := 0; got < streams*window; {
				if d, ok := c.Next().(*http2.DataFrame); ok {
					got += len(d.Data())
				}
			}
			var now []int
			still := 0
			testserver.WaitFor(t, patience, "the gateway to take no more", func() bool {
				mu.Lock()
				defer mu.Unlock()
				last := now
				if now = taken(t, conns); slices.Equal(now, last) {
					still++
				} else {
					still = 0
				}
				return still > 10
			})
			total := 0
			for _, n := range now {
				total += n
			}
			ahead, held := total/streams-window, (heap()-before)/streams
			t.Logf("on %d connections %d KiB ahead of each client, %d KiB of memory for each", len(now), ahead>>10,
				held>>10)
			if ahead > tt.ahead {
				t.Errorf("%d bytes taken ahead of each client, want at most %d", ahead, tt.ahead)
			}
			if most := tt.ahead + 128<<10; held > most {
				t.Errorf("%d bytes of memory for each client, want at most %d", held, most)
			}
		})
	}
}
