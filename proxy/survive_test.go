package proxy_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// TestPanicEndsOneConnection has a request panic, over HTTP/1.1 and HTTP/2: its connection or stream ends, the others never notice.
func TestPanicEndsOneConnection(t *testing.T) {
	for name, h2 := range map[string]bool{"h1": false, "h2": true} {
		t.Run(name, func(t *testing.T) {
			app := backend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			var broken atomic.Bool
			dial := proxy.Dialer()
			g := start(t, to(app), func(o *proxy.Options) {
				o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
					if broken.Swap(false) {
						panic("a bug of ours")
					}
					return dial(ctx, address)
				}
			})
			c := versionClient(t, h2)
			broken.Store(true)
			if res, err := c.Post("http://"+g.addr, "text/plain", nil); err == nil {
				res.Body.Close()
				t.Errorf("the request that panicked was answered with %d", res.StatusCode)
			}
			res, err := c.Get("http://" + g.addr)
			if err != nil {
				t.Fatalf("the next request: %v", err)
			}
			defer res.Body.Close()
			if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != "ok" {
				t.Errorf("the next request: %d %q", res.StatusCode, b)
			}
			if n := g.server.Crashes(); n != 1 {
				t.Errorf("%d panics were survived, want 1", n)
			}
		})
	}
}
