package proxy_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// mirroring is a document whose route copies its requests to a shadow.
func mirroring(options, app, appProtocol, shadow, shadowProtocol string) string {
	return fmt.Sprintf(`
routes:
- name: all
  match: {path_prefix: /}
  cluster: app
  prefix_rewrite: /v2
  timeouts: {upstream: 1h}
  request_headers: {set: {x-cluster: "${cluster}"}, remove: [x-secret]}
  mirror: {cluster: shadow%s}
clusters:
- {name: app, protocol: %s, endpoints: [%q]}
- {name: shadow, protocol: %s, endpoints: [%q]}
`, options, appProtocol, app, shadowProtocol, shadow)
}

// seen is what an endpoint sees of a request.
func seen(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	return fmt.Sprintf("%s %s %s|%d %x %v|for %s, id %s, %q %q %q|%s %q", r.Method, r.RequestURI, r.Host, len(body),
		sha256.Sum256(body), err, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Request-Id"), r.Header.Get("X-A"),
		r.Header.Get("X-Secret"), r.Header.Get("X-Hop"), r.Header.Get("Content-Type"), r.Header.Get("Expect"))
}

// arrived is the next copy.
func arrived[T any](t *testing.T, copies <-chan T) (c T) {
	t.Helper()
	select {
	case c = <-copies:
	case <-time.After(patience):
		t.Fatal("no copy came")
	}
	return c
}

var protocolNames = []string{"http1", "http2"}

// droppedCopies is how many copies of requests the shadow has not got, or not answered, for the reason.
func (g *gateway) droppedCopies(why telemetry.MirrorReason) int64 {
	return g.registry.Cluster("shadow").Mirror.Dropped[why].Load()
}

// A shadow gets what the app gets, in each version of client, app and shadow. The client gets the app's response.
func TestMirrorVersions(t *testing.T) {
	const most = 64 << 10
	for i := range 8 {
		down, up, shadow := i&1, i>>1&1, i>>2
		t.Run(protocolNames[down]+" to "+protocolNames[up]+", copied to "+protocolNames[shadow], func(t *testing.T) {
			copies := make(chan string, 1)
			at := versionBackend(t, shadow == 1, func(w http.ResponseWriter, r *http.Request) {
				copies <- seen(r) + " " + r.Header.Get("X-Cluster")
				w.Header().Set("X-From", "shadow")
				w.WriteHeader(500)
				_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
			})
			app := versionBackend(t, up == 1, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, seen(r)+" "+r.Header.Get("X-Cluster"))
			})
			g := start(t, mirroring("", app, protocolNames[up], at, protocolNames[shadow]))
			c := versionClient(t, down == 1)
			large := int64(0)
			for _, tt := range []struct {
				method, path, contentType string
				size                      int
				sized                     bool
			}{
				{"GET", "/x?y=%20z", "", 0, true},
				{"GET", "/x", "", 0, true},
				{"HEAD", "/", "", 0, true},
				{"POST", "/x", "text/plain", 100, true},
				{"POST", "/x", "text/plain", 100, false},
				{"PUT", "/x", "text/plain", 40_000, true},
				{"PUT", "/x", "text/plain", 40_000, false},
				{"POST", "/x", "text/plain", most, true},
				{"POST", "/x", "text/plain", most, false},
				{"POST", "/x", "text/plain", most + 1, true},
				{"POST", "/x", "text/plain", most + 1, false},
				{"POST", "/x", "text/plain", 4 << 20, true},
				{"POST", "/x", "application/grpc", 5, false},
				{"DELETE", "/last", "", 0, true},
			} {
				what := fmt.Sprint(tt.method, " ", tt.path, " ", tt.size, " ", tt.sized)
				body := io.Reader(strings.NewReader(strings.Repeat("x", tt.size)))
				if !tt.sized {
					body = io.NopCloser(body)
				}
				req, err := http.NewRequest(tt.method, "http://"+g.addr+tt.path, body)
				if err != nil {
					t.Fatal(err)
				}
				req.Host = "shop.test"
				req.Header = http.Header{"X-A": {"a"}, "X-Secret": {"s"}, "Connection": {"x-hop"}, "X-Hop": {"h"},
					"Content-Type": {tt.contentType}}
				if down == 1 {
					req.Header.Del("Connection")
					req.Header.Del("X-Hop")
				}
				res, err := c.Do(req)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				got, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != 200 || res.Header.Get("X-From") != "" {
					t.Errorf("%s: %d %v, %v, want the app's response", what, res.StatusCode, res.Header, err)
				}
				if tt.size > most {
					large++
					if n := g.droppedCopies(telemetry.MirrorBody); n != large {
						t.Errorf("%s: %d copies dropped for their bodies, want %d", what, n, large)
					}
					continue
				}
				copied := arrived(t, copies)
				if tt.method == "HEAD" {
					continue
				}
				want := strings.TrimSuffix(string(got), "app") + "shadow"
				if copied != want || !strings.Contains(copied, "/v2/") {
					t.Errorf("%s: the shadow saw\n%s, want\n%s", what, copied, want)
				}
			}
			select {
			case more := <-copies:
				t.Errorf("the shadow also saw %s", more)
			default:
			}
			if n := g.droppedCopies(telemetry.MirrorBusy) + g.droppedCopies(telemetry.MirrorFailed); n != 0 {
				t.Errorf("%d copies dropped, want none", n)
			}
		})
	}
}

// A target in absolute-form is copied as the app gets it.
func TestMirrorOfAbsoluteForm(t *testing.T) {
	copies := make(chan string, 1)
	g := start(t, mirroring("", backend(t, ofPath), "http1", backend(t, func(_ http.ResponseWriter, r *http.Request) {
		copies <- r.Host + r.RequestURI
	}), "http1"))
	for target, want := range map[string]string{
		"http://b.test/x/y?z": "b.test/v2/x/y?z", "http://b.test": "b.test/v2", "/x": "a/v2/x",
	} {
		host := "a"
		if strings.HasPrefix(target, "http") {
			host = "b.test"
		}
		g.ask("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
		if got := arrived(t, copies); got != want {
			t.Errorf("%s: the shadow saw %s, want %s", target, got, want)
		}
	}
}

// Whatever a shadow does, requests get the app's response: nobody waits for it, and no more than so many copies do.
func TestMirrorToATroubledShadow(t *testing.T) {
	hanging := func(t *testing.T) string { // connections are made by the kernel, and nobody takes them
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l.Addr().String()
	}
	slow := func(t *testing.T) string {
		done := make(chan struct{})
		at := versionBackend(t, false, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-done:
			case <-r.Context().Done():
			}
		})
		t.Cleanup(func() { close(done) })
		return at
	}
	trickling := func(t *testing.T) string {
		return versionBackend(t, false, func(w http.ResponseWriter, r *http.Request) {
			for tick := time.NewTicker(10 * time.Millisecond); ; {
				select {
				case <-r.Context().Done():
					tick.Stop()
					return
				case <-tick.C:
					_, _ = io.WriteString(w, "x")
					_ = http.NewResponseController(w).Flush()
				}
			}
		})
	}
	broken := func(t *testing.T) string { return script(t, func(w *wire) { _, _ = readHead(w.r); w.reset() }) }
	for _, tt := range []struct {
		name   string
		shadow func(t *testing.T) string
		hangs  bool
	}{
		{"dead", func(t *testing.T) string { return refusing(t) }, false},
		{"broken", broken, false}, {"slow", slow, true}, {"trickling", trickling, true}, {"never reads", hanging, true},
	} {
		for i := range 4 {
			down, up := i&1, i>>1
			t.Run(tt.name+", "+protocolNames[down]+" to "+protocolNames[up], func(t *testing.T) {
				body := strings.Repeat("x", 20_000)
				app := versionBackend(t, up == 1, func(w http.ResponseWriter, r *http.Request) {
					n, _ := io.Copy(io.Discard, r.Body)
					fmt.Fprint(w, n)
				})
				g := start(t, mirroring("", app, protocolNames[up], tt.shadow(t), "http1"))
				c := versionClient(t, down == 1)
				const requests = route.MaxCopies + 20
				for range requests {
					res, err := c.Post("http://"+g.addr+"/", "text/plain", strings.NewReader(body))
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(res.Body)
					res.Body.Close()
					if err != nil || res.StatusCode != 200 || string(got) != "20000" {
						t.Fatalf("%d %q, %v, want the app's response", res.StatusCode, got, err)
					}
				}
				if tt.hangs {
					if n := g.droppedCopies(telemetry.MirrorBusy); n != requests-route.MaxCopies {
						t.Errorf("%d copies dropped since the shadow is busy, want %d", n, requests-route.MaxCopies)
					}
					return
				}
				testserver.WaitFor(t, patience, "copies to fail", func() bool {
					return g.droppedCopies(telemetry.MirrorFailed)+g.droppedCopies(telemetry.MirrorBusy) == requests
				})
			})
		}
	}
}

// A request is copied when all of it has come. So a stream that does not end is not, nor is one whose client goes
// away.
func TestMirrorOfAStream(t *testing.T) {
	copies := make(chan int64, 1)
	at := versionBackend(t, true, func(_ http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		copies <- n
	})
	handler := func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		piece := make([]byte, 4)
		for {
			n, err := io.ReadFull(r.Body, piece)
			if err != nil {
				return
			}
			_, _ = w.Write(piece[:n])
			_ = http.NewResponseController(w).Flush()
		}
	}
	for i := range 4 {
		down, up := i&1, i>>1
		t.Run(protocolNames[down]+" to "+protocolNames[up], func(t *testing.T) {
			g := start(t, mirroring("", versionBackend(t, up == 1, handler), protocolNames[up], at, "http2"))
			c := versionClient(t, down == 1)
			begin := func() (*io.PipeWriter, *http.Response) {
				body, w := io.Pipe()
				req, err := http.NewRequest("POST", "http://"+g.addr+"/", body)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Content-Type", "application/grpc")
				var once sync.WaitGroup
				once.Go(func() { _, _ = w.Write([]byte("ping")) })
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				once.Wait()
				if _, err := io.ReadFull(res.Body, make([]byte, 4)); err != nil {
					t.Fatal(err)
				}
				return w, res
			}
			for range 3 { // they go away
				w, res := begin()
				_ = w.CloseWithError(io.ErrUnexpectedEOF)
				res.Body.Close()
			}
			w, res := begin()
			_, _ = w.Write([]byte("more"))
			if _, err := io.ReadFull(res.Body, make([]byte, 4)); err != nil {
				t.Fatal(err)
			}
			select {
			case n := <-copies:
				t.Fatalf("a request that has not ended was copied, with %d bytes", n)
			default:
			}
			w.Close()
			if n := arrived(t, copies); n != 8 {
				t.Errorf("a copy of %d bytes, want 8", n)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		})
	}
}

// A request that is switched to another protocol is not copied, and neither is one that the gateway answers itself.
func TestMirrorLeavesOut(t *testing.T) {
	copies := make(chan string, 10)
	at := backend(t, func(_ http.ResponseWriter, r *http.Request) { copies <- r.RequestURI })
	e := listen(t)
	g := start(t, strings.Replace(mirroring("", e.addr, "http1", at, "http1"), "  cluster: app",
		"  cluster: app\n  deny: {sources: [127.0.0.0/8]}", 1))
	if res, _ := g.ask(get("/denied")); res.StatusCode != 403 {
		t.Errorf("status %d, want 403", res.StatusCode)
	}
	g.apply(mirroring("", e.addr, "http1", at, "http1"))
	c := g.dial()
	c.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	w := e.accept()
	_, _ = readHead(w.r)
	w.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	c.head()
	g.apply(mirroring(", percent: 0", e.addr, "http1", at, "http1"))
	c = g.dial()
	c.send(get("/none"))
	e.accept().serve("HTTP/1.1 204 No Content\r\n\r\n")
	c.status(204)
	g.apply(mirroring(", percent: 100", e.addr, "http1", at, "http1"))
	c.send(get("/last"))
	if got := arrived(t, copies); got != "/v2/last" {
		t.Errorf("%s was copied, want the last request only", got)
	}
}

func TestMirrorIsExplained(t *testing.T) {
	g := start(t, mirroring(", percent: 2.5", "127.0.0.1:9", "http1", "127.0.0.1:9", "http1"))
	e, err := g.server.Explain(route.ExplainRequest{URL: "http://x/"}, config.Standard())
	if err != nil {
		t.Fatal(err)
	}
	if e.Mirror != "2.5 % to cluster shadow" {
		t.Errorf("explained as %q", e.Mirror)
	}
}
