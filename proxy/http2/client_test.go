package http2

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// request fills f with a plain request.
func request1(method string) *Fields {
	f := new(Fields)
	f.Request([]byte(method), []byte("http"), []byte("a.example"), []byte("/"))
	return f
}

// open opens a stream and reads its HEADERS at the peer.
func (p *peer) open(c *Client, end bool) (*Stream, *events) {
	p.t.Helper()
	e := newEvents(p.t)
	s, err := c.Open(nil, request1("POST"), end, e)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Until("HEADERS")
	return s, e
}

// What the peer has said of the end is told, also where a write has failed before the end was read.
func TestReasonOutlivesAFailedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{})
		e := newEvents(t)
		if _, err := c.Open(nil, request1("GET"), true, e); err != nil {
			t.Fatal(err)
		}
		p.Until("HEADERS")
		p.write(p.WriteGoAway(1, xhttp2.ErrCodeEnhanceYourCalm, nil))
		synctest.Wait()
		c.mu.Lock()
		c.fail(io.ErrClosedPipe)
		c.mu.Unlock()
		e.want("reset ENHANCE_YOUR_CALM")
	})
}

// TestClientEvents: what a server sends, and what the owner of the stream is told.
func TestClientEvents(t *testing.T) {
	answer := []string{":status", "200"}
	for _, row := range []struct {
		name   string
		method string
		send   func(p *peer)
		want   []string
	}{
		{"answer without a body", "GET", func(p *peer) { p.headers(1, true, answer...) }, []string{"head 2xx end"}},
		{"answer with a body", "GET", func(p *peer) {
			p.headers(1, false, answer...)
			p.data(1, false, 5)
			p.data(1, true, 0)
		}, []string{"head 2xx", "data", "data end"}},
		{"trailers", "GET", func(p *peer) { p.headers(1, false, answer...); p.headers(1, true, "grpc-status", "0") },
			[]string{"head 2xx", "trailers"}},
		{"interim heads", "GET", func(p *peer) { p.headers(1, false, ":status", "103"); p.headers(1, true, answer...) },
			[]string{"head 1xx", "head 2xx end"}},
		{"refused", "GET", func(p *peer) { p.write(p.WriteRSTStream(1, xhttp2.ErrCodeRefusedStream)) },
			[]string{"reset REFUSED_STREAM unprocessed"}},
		{"reset", "GET", func(p *peer) {
			p.headers(1, false, answer...)
			p.write(p.WriteRSTStream(1, xhttp2.ErrCodeInternal))
		}, []string{"head 2xx", "reset INTERNAL_ERROR"}},
		{"goaway below", "GET", func(p *peer) { p.write(p.WriteGoAway(0, xhttp2.ErrCodeNo, nil)) },
			[]string{"reset REFUSED_STREAM unprocessed"}},
		{"goaway above", "GET", func(p *peer) {
			p.write(p.WriteGoAway(1, xhttp2.ErrCodeNo, nil))
			p.headers(1, true, answer...)
		}, []string{"head 2xx end"}},
		{"goaway and nothing more", "GET", func(p *peer) {
			p.write(p.WriteGoAway(1, xhttp2.ErrCodeEnhanceYourCalm, nil))
			p.nc.Close()
		}, []string{"reset ENHANCE_YOUR_CALM"}},
		{"connection lost", "GET", func(p *peer) { p.nc.Close() }, []string{"reset CANCEL"}},
		{"length of an answer to HEAD", "HEAD", func(p *peer) {
			p.headers(1, true, ":status", "200", "content-length", "10")
		}, []string{"head 2xx end"}},
		{"length of a 304", "GET", func(p *peer) { p.headers(1, true, ":status", "304", "content-length", "10") },
			[]string{"head 3xx end"}},

		{"body of an answer to HEAD", "HEAD", func(p *peer) { p.headers(1, false, answer...); p.data(1, true, 1) },
			[]string{"head 2xx", "reset PROTOCOL_ERROR"}},
		{"body of a 204", "GET", func(p *peer) { p.headers(1, false, ":status", "204"); p.data(1, true, 1) },
			[]string{"head 2xx", "reset PROTOCOL_ERROR"}},
		{"body in front of the head", "GET", func(p *peer) { p.data(1, true, 1) }, []string{"reset PROTOCOL_ERROR"}},
		{"body behind an interim head", "GET", func(p *peer) {
			p.headers(1, false, ":status", "100")
			p.data(1, true, 1)
		}, []string{"head 1xx", "reset PROTOCOL_ERROR"}},
		{"interim head that ends", "GET", func(p *peer) { p.headers(1, true, ":status", "103") },
			[]string{"reset PROTOCOL_ERROR"}},
		{"switching protocols", "GET", func(p *peer) { p.headers(1, false, ":status", "101") },
			[]string{"reset PROTOCOL_ERROR"}},
		{"no status", "GET", func(p *peer) { p.headers(1, true, "x", "1") }, []string{"reset PROTOCOL_ERROR"}},
		{"strange status", "GET", func(p *peer) { p.headers(1, true, ":status", "2000") },
			[]string{"reset PROTOCOL_ERROR"}},
		{"status and method", "GET", func(p *peer) { p.headers(1, true, ":status", "200", ":method", "GET") },
			[]string{"reset PROTOCOL_ERROR"}},
		{"connection field", "GET", func(p *peer) { p.headers(1, true, ":status", "200", "connection", "close") },
			[]string{"reset PROTOCOL_ERROR"}},
		{"line break", "GET", func(p *peer) { p.headers(1, true, ":status", "200", "x", "a\r\nb") },
			[]string{"reset PROTOCOL_ERROR"}},
		{"longer than its length", "GET", func(p *peer) {
			p.headers(1, false, ":status", "200", "content-length", "1")
			p.data(1, true, 2)
		}, []string{"head 2xx", "reset PROTOCOL_ERROR"}},
		{"shorter than its length", "GET", func(p *peer) {
			p.headers(1, false, ":status", "200", "content-length", "3")
			p.data(1, true, 2)
		}, []string{"head 2xx", "reset PROTOCOL_ERROR"}},
		{"push", "GET", func(p *peer) {
			p.write(p.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2,
				BlockFragment: p.Block(get...), EndHeaders: true}))
		}, []string{"reset PROTOCOL_ERROR"}},
		{"stream nobody opened", "GET", func(p *peer) { p.headers(3, true, answer...) },
			[]string{"reset PROTOCOL_ERROR"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, c := clientPeer(t, Options{})
				e := newEvents(t)
				if _, err := c.Open(nil, request1(row.method), true, e); err != nil {
					t.Fatal(err)
				}
				p.Until("HEADERS")
				go func() {
					row.send(p)
					for p.Line() != "end" {
					}
				}()
				for _, w := range row.want {
					e.want(w)
				}
				synctest.Wait()
				if len(e.log) > 0 {
					t.Errorf("one event more: %q", <-e.log)
				}
				if n := c.active(); n != 0 {
					t.Errorf("%d streams are left", n)
				}
			})
		})
	}
}

// TestStreamLimit: Open refuses over the peer's limit, and Room tells when there is room again.
func TestStreamLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		room := make(chan struct{}, 10)
		p, c := clientPeer(t, Options{Room: func() { room <- struct{}{} }},
			xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 2})
		p.Want("SETTINGS ack")
		_, one := p.open(c, true)
		p.open(c, true)
		if _, err := c.Open(nil, request1("GET"), true, one); !errors.Is(err, ErrNoCapacity) || c.freePlaces() != 0 {
			t.Fatalf("Open over the limit: %v, free %d", err, c.freePlaces())
		}
		p.headers(1, true, ":status", "200")
		one.want("head 2xx end")
		<-room
		p.open(c, true)
		if c.active() != 2 {
			t.Errorf("%d streams", c.active())
		}
		_, err := c.Open(nil, request1("GET"), true, one)
		if !errors.Is(err, ErrNoCapacity) {
			t.Fatalf("Open over the limit: %v", err)
		}
		p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 3}))
		p.Want("SETTINGS ack")
		<-room
		p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingMaxHeaderListSize, Val: 50}))
		p.Want("SETTINGS ack")
		if _, err := c.Open(nil, request1("GET"), true, one); !errors.Is(err, ErrHeadTooLarge) {
			t.Errorf("Open of a head the peer does not take: %v", err)
		}
		p.write(p.WriteGoAway(5, xhttp2.ErrCodeNo, nil))
		p.write(p.WritePing(false, [8]byte{}))
		p.Want("PING ack")
		if _, err := c.Open(nil, request1("GET"), true, one); !errors.Is(err, ErrGoAway) || c.Usable() {
			t.Errorf("Open after GOAWAY: %v", err)
		}
	})
}

// TestFlowControlOfTheClient: data waits for both windows, and goes on as they open.
func TestFlowControlOfTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{StallTimeout: 10 * time.Second},
			xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 10})
		p.write(p.WriteSettingsAck())
		p.Want("SETTINGS ack")
		s, e := p.open(c, false)
		write := func(n int, end bool, want int) {
			t.Helper()
			if got, err := s.WriteData(nil, make([]byte, n), end); err != nil || got != want {
				t.Fatalf("WriteData took %d (%v), want %d", got, err, want)
			}
		}
		write(25, true, 10)
		p.Want("DATA 1 10")
		p.write(p.WriteWindowUpdate(1, 7))
		e.want("writable")
		write(15, true, 7)
		p.Want("DATA 1 7")
		p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 11}))
		p.Want("SETTINGS ack")
		e.want("writable")
		write(8, true, 1)
		p.Want("DATA 1 1")
		// the window is negative now
		p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}))
		p.Want("SETTINGS ack")
		p.write(p.WriteWindowUpdate(1, 12))
		e.want("writable")
		write(7, true, 1)
		p.Want("DATA 1 1")
		p.write(p.WriteWindowUpdate(1, 6))
		e.want("writable")
		write(6, true, 6)
		p.Want("DATA 1 6 end")
		if _, err := s.WriteData(nil, nil, true); !errors.Is(err, ErrEnded) {
			t.Errorf("WriteData behind the end: %v", err)
		}

		// The connection's window is shared by those that wait for it.
		p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
		p.Want("SETTINGS ack")
		two, e2 := p.open(c, false)
		three, e3 := p.open(c, false)
		go func() {
			for p.Line() != "end" {
			}
		}()
		n, err := two.WriteData(nil, make([]byte, 1<<20), false)
		if err != nil || n > defaultWindow-25 {
			t.Fatalf("took %d, %v", n, err)
		}
		for n < defaultWindow-25 { // room in the out buffer was what was missing
			e2.want("writable")
			m, _ := two.WriteData(nil, make([]byte, defaultWindow), false)
			n += m
		}
		if m, _ := three.WriteData(nil, make([]byte, 10), true); m != 0 {
			t.Fatalf("took %d beyond the connection's window", m)
		}
		p.write(p.WriteWindowUpdate(0, 1000))
		e2.want("writable")
		e3.want("writable")
		if m, _ := three.WriteData(nil, make([]byte, 10), true); m != 10 {
			t.Errorf("took %d, want 10", m)
		}
		_, _ = two.WriteData(nil, make([]byte, 1<<20), false)
		e2.want("reset CANCEL") // stalled
		if p.hits.of(LimitStall) != 1 {
			t.Error("the stall was not counted")
		}
	})
}

// TestPings: a server that is silent while streams wait for it is asked, and given up.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{PingInterval: 10 * time.Second, PingTimeout: 3 * time.Second,
			SettingsTimeout: time.Hour})
		p.Want("SETTINGS ack")
		<-time.After(time.Minute) // nothing waits: no PING
		_, e := p.open(c, true)
		p.Want("PING alive?")
		p.write(p.WritePing(true, pingAlive))
		p.Want("PING alive?")
		began := time.Now()
		e.want("reset CANCEL")
		took(t, began, 3*time.Second)
		if err := c.ending(); !errors.Is(err, ErrSilent) {
			t.Errorf("ended with %v", err)
		}
	})
}

// TestDeadlines: the owner of a stream is told when its time has come, once, and nothing else happens.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{})
		s, e := p.open(c, true)
		began := time.Now()
		s.SetDeadline(p.sw.Now() + int64(time.Hour))
		s.SetDeadline(p.sw.Now() + int64(2*time.Second))
		p.write(p.WriteSettingsAck())
		e.want("timeout")
		took(t, began, 2*time.Second)
		p.headers(1, true, ":status", "200")
		e.want("head 2xx end")
	})
}

// TestClientClose: Close resets what is open, and ends the goroutine.
func TestClientClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{})
		_, e := p.open(c, false)
		go func() {
			for p.Line() != "end" {
			}
		}()
		c.Close()
		e.want("reset CANCEL")
		if err := c.ending(); !errors.Is(err, ErrClosed) {
			t.Errorf("ended with %v", err)
		}
		if _, err := c.Open(nil, request1("GET"), true, e); !errors.Is(err, ErrClosed) {
			t.Errorf("Open after Close: %v", err)
		}
	})
}

// TestClientShutdown: the last stream ends the connection.
func TestClientShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{})
		_, e := p.open(c, true)
		c.Shutdown()
		p.Want("GOAWAY 0 NO_ERROR")
		p.headers(1, true, ":status", "200")
		e.want("head 2xx end")
		p.Want("end")
		if err := c.ending(); !errors.Is(err, ErrDrained) {
			t.Errorf("ended with %v", err)
		}
	})
}
