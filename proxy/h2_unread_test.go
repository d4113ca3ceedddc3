package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// unread are the ways in which a response may be framed; each is of the same body.
var unread = map[string]func(body string) string{
	"sized": func(body string) string { return ok(body) },
	"chunked": func(body string) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks(body, 1000) + "0\r\n\r\n"
	},
	"trailers": func(body string) string {
		return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks(body, 7000) + "0\r\nx: y\r\n\r\n"
	},
	"until close": func(body string) string { return "HTTP/1.1 200 OK\r\n\r\n" + body },
}

func inChunks(body string, size int) string {
	var b strings.Builder
	for len(body) > 0 {
		n := min(size, len(body))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, body[:n])
		body = body[n:]
	}
	return b.String()
}

// A response that a client takes piece by piece is whole, although nobody waits for the client in between.
func TestUnreadResponseGoesOn(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 2500)
	for name, framed := range unread {
		for _, step := range []int{1, 700, 9000} {
			t.Run(name, func(t *testing.T) {
				e := listen(t)
				g := start(t, to(e.addr))
				c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(step)})
				c.Ask(1, true, "GET", "/")
				up := e.accept()
				up.head()
				go func() {
					_, _ = up.Write([]byte(framed(body)))
					_ = up.CloseWrite()
				}()
				c.Answer(1, "200")
				var got strings.Builder
				for steps, end := 0, false; !end; {
					switch fr := c.Next().(type) {
					case *http2.DataFrame:
						got.Write(fr.Data())
						end = fr.StreamEnded()
						if steps++; steps == 3 && step == 1 {
							step = 3000 // byte by byte for a while
						}
						if n := len(fr.Data()); n > 0 && !end {
							c.Must(c.WriteWindowUpdate(1, uint32(step)))
							c.Must(c.WriteWindowUpdate(0, uint32(n)))
						}
					case *http2.MetaHeadersFrame:
						if end = fr.StreamEnded(); !end || values(fr, "x")[0] != "y" {
							t.Errorf("got %v, want the trailers", fr)
						}
					default:
						t.Fatalf("got %v", fr)
					}
				}
				if got.String() != body {
					t.Errorf("%d bytes of body, want the %d that the endpoint has sent", got.Len(), len(body))
				}
			})
		}
	}
}

// What may happen while a client takes nothing of its response.
func TestUnreadResponseEnds(t *testing.T) {
	body := strings.Repeat("x", 5000)
	for name, end := range map[string]func(g *gateway, c *frames, up *wire){
		"reset": func(g *gateway, c *frames, up *wire) {
			c.Must(c.WriteRSTStream(1, http2.ErrCodeCancel))
			up.ended()
			g.counted(telemetry.DC, 1)
		},
		"client gone": func(g *gateway, c *frames, up *wire) {
			c.w.reset()
			up.ended()
			g.counted(telemetry.DC, 1)
		},
		"endpoint gone": func(g *gateway, c *frames, up *wire) {
			up.reset()
			c.Must(c.WriteWindowUpdate(1, 100<<10))
			c.Reset(1, http2.ErrCodeInternal)
			g.counted(telemetry.UC, 1)
		},
		"no window for too long": func(g *gateway, c *frames, up *wire) {
			c.Reset(1, http2.ErrCodeCancel)
			up.ended()
		},
		"drain": func(g *gateway, _ *frames, up *wire) {
			if cut := g.drain(short); cut != 1 {
				g.t.Errorf("%d connections cut, want 1", cut)
			}
			up.ended()
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := listen(t)
			options := ""
			if name == "no window for too long" {
				options = "timeouts: {write: 200ms}"
			}
			g := start(t, routed(e.addr, options))
			c := g.dial2(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
			c.Ask(1, true, "GET", "/")
			up := e.accept()
			up.head()
			up.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + body)
			c.Answer(1, "200")
			c.Sync()
			end(g, c, up)
			c.w.Close()
			g.freed()
		})
	}
}
