package proxy_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// turnsAway is an endpoint that speaks HTTP/2 and responds to nothing, each in its way.
type turnsAway struct {
	addr        string
	connections atomic.Int64
	healed      atomic.Bool // it responds with 200 from now on
}

// turningAway starts one. greet is called for each connection behind the SETTINGS, and request for each request. They
// report whether the connection goes on.
func turningAway(t *testing.T, greet func(net.Conn, *http2.Framer) bool, request func(*http2.Framer, uint32) bool,
) *turnsAway {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &turnsAway{addr: ln.Addr().String()}
	var all sync.WaitGroup
	serve := func(nc net.Conn) {
		defer nc.Close()
		f := http2.NewFramer(nc, nc)
		if f.WriteSettings() != nil || !e.healed.Load() && greet != nil && !greet(nc, f) {
			return
		}
		if _, err := io.ReadFull(nc, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = f.WriteSettingsAck()
				}
			case *http2.PingFrame:
				_ = f.WritePing(true, frame.Data)
			case *http2.HeadersFrame:
				id := frame.StreamID
				if e.healed.Load() {
					_ = f.WriteHeaders(http2.HeadersFrameParam{
						StreamID: id, BlockFragment: []byte{0x88}, EndHeaders: true, EndStream: true,
					})
				} else if request != nil && !request(f, id) {
					return
				}
			}
		}
	}
	all.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			e.connections.Add(1)
			all.Go(func() { serve(nc) })
		}
	})
	t.Cleanup(func() { ln.Close(); all.Wait() })
	return e
}

// turnings are the ways of such endpoints.
var turnings = map[string]struct {
	greet   func(net.Conn, *http2.Framer) bool
	request func(*http2.Framer, uint32) bool
}{
	"GOAWAY at once": {greet: func(_ net.Conn, f *http2.Framer) bool {
		return f.WriteGoAway(0, http2.ErrCodeNo, nil) == nil
	}},
	"GOAWAY at once, and closes": {greet: func(_ net.Conn, f *http2.Framer) bool {
		_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
		return false
	}},
	"closes behind SETTINGS": {greet: func(net.Conn, *http2.Framer) bool { return false }},
	"resets behind SETTINGS": {greet: func(nc net.Conn, _ *http2.Framer) bool {
		_ = nc.(*net.TCPConn).SetLinger(0)
		return false
	}},
	"GOAWAY to a request": {request: func(f *http2.Framer, _ uint32) bool {
		_ = f.WriteGoAway(0, http2.ErrCodeNo, nil)
		return false
	}},
	"closes at a request": {request: func(*http2.Framer, uint32) bool { return false }},
	"refuses each request": {request: func(f *http2.Framer, id uint32) bool {
		return f.WriteRSTStream(id, http2.ErrCodeRefusedStream) == nil
	}},
}

// client is one of HTTP/1.1 or of HTTP/2 by prior knowledge.
func (g *gateway) client(t *testing.T, h2 bool) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols), MaxIdleConnsPerHost: 100}
	tr.Protocols.SetUnencryptedHTTP2(h2)
	tr.Protocols.SetHTTP1(!h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// got makes a request, and gives the status of its response.
func got(t *testing.T, c *http.Client, g *gateway) int {
	t.Helper()
	resp, err := c.Get("http://" + g.addr + "/")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// Requests to an endpoint that takes none cost it a few connections, and these are paced. Passive health sees it. When
// it responds, it is used again.
func TestEndpointThatTurnsAway(t *testing.T) {
	together(t)
	for name, way := range turnings {
		for _, route := range []string{"", "retries: {on: [connect-failure, reset], attempts: 3}"} {
			for version, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
				t.Run(name+", "+version+", "+route, func(t *testing.T) {
					t.Parallel()
					e := turningAway(t, way.greet, way.request)
					g := start(t, clustered(route, "protocol: http2, passive_health: {}", e.addr))
					c := g.client(t, h2)
					begun := time.Now()
					const atOnce, inARow = 40, 6
					for range 2 {
						var all sync.WaitGroup
						for range atOnce {
							all.Go(func() {
								if status := got(t, c, g); status != 502 && status != 503 {
									t.Errorf("status %d", status)
								}
							})
						}
						all.Wait()
					}
					for range inARow {
						got(t, c, g)
					}
					took := time.Since(begun)
					// At first there is no pause, and later one of an eighth of a second at least.
					n, most := e.connections.Load(), 12+int64(took/(125*time.Millisecond))
					if n > most {
						t.Errorf("%d connections for %d requests in %v, want at most %d",
							n, 2*atOnce+inARow, took, most)
					}
					fails := g.set.Status()[0].Endpoints[0].Passive.Failures
					t.Logf("%d connections in %v, %d failures in a row", n, took.Round(time.Millisecond), fails)
					if fails < inARow {
						t.Errorf("passive health has seen %d failures in a row, want %d at least", fails, inARow)
					}
					e.healed.Store(true)
					if status := got(t, c, g); status != 200 {
						t.Errorf("status %d when it responds again", status)
					}
				})
			}
		}
	}
}

// An endpoint that takes no request is ejected, and until then the other one gets its requests by retries.
func TestEndpointThatTurnsAwayIsEjected(t *testing.T) {
	together(t)
	for name, way := range turnings {
		for version, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			t.Run(name+", "+version, func(t *testing.T) {
				t.Parallel()
				bad := turningAway(t, way.greet, way.request)
				good := turningAway(t, nil, nil)
				good.healed.Store(true)
				g := start(t, clustered("retries: {on: [connect-failure, reset], attempts: 3}",
					"protocol: http2, passive_health: {consecutive_failures: 3}", bad.addr, good.addr))
				c := g.client(t, h2)
				for i := range 40 {
					if status := got(t, c, g); status != 200 {
						t.Errorf("request %d: status %d", i, status)
					}
				}
				if n := bad.connections.Load(); n > 12 {
					t.Errorf("%d connections for 40 requests", n)
				}
				if st := g.set.Status()[0].Endpoints[0].State; st != "ejected" {
					t.Errorf("not ejected: %+v", g.set.Status()[0].Endpoints[0])
				}
			})
		}
	}
}
