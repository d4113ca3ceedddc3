package http2

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// missing is what of the connection's window has been used and not been given back.
func missing(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opt.ConnWindow - c.flow.window - c.flow.credit
}

// TestWindowIsGivenBack: padding and what was sent on streams that are cut off count as consumed, whatever the owner
// does.
func TestWindowIsGivenBack(t *testing.T) {
	for _, row := range []struct {
		name   string
		send   func(p *peer)
		held   int
		window int // of the stream, what the peer has used of it; -1: it is gone
	}{
		{"data nobody consumes", func(p *peer) { p.data(1, false, 300) }, 300, 300},
		{"padding", func(p *peer) { p.write(p.WriteDataPadded(1, false, make([]byte, 10), make([]byte, 200))) }, 10,
			10},
		{"reset by the peer", func(p *peer) {
			p.data(1, false, 300)
			p.write(p.WriteRSTStream(1, xhttp2.ErrCodeCancel))
		}, 0, -1},
		{"reset of its making", func(p *peer) { p.data(1, false, 300); p.write(p.WriteWindowUpdate(1, 0)) }, 0, -1},
		{"data behind a reset", func(p *peer) { p.write(p.WriteWindowUpdate(1, 0)); p.data(1, false, 300) }, 0, -1},
		{"too much data", func(p *peer) { p.data(1, false, 16_000); p.data(1, false, 16_000) }, 0, -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, srv, _ := serverPeer(t, sink{}, Options{StreamWindow: 20_000})
				go func() {
					for p.Line() != "end" {
					}
				}()
				p.write(p.WriteSettingsAck())
				p.headers(1, false, post...)
				row.send(p)
				synctest.Wait()
				if n := missing(&srv.Conn); n != row.held {
					t.Errorf("%d bytes of the connection's window are missing, want %d", n, row.held)
				}
				used := -1
				if s := streamOf(&srv.Conn, 1); s != nil {
					used = 20_000 - unsent(s)
				}
				if used != row.window {
					t.Errorf("%d bytes of the stream's window are used, want %d", used, row.window)
				}
			})
		})
	}
}

// TestWindowGrows as bytes are consumed, and only then.
func TestWindowGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, _ := serverPeer(t, sink{}, Options{StreamWindow: 150_000})
		go func() {
			for p.Line() != "end" {
			}
		}()
		p.write(p.WriteSettingsAck())
		p.headers(1, false, post...)
		synctest.Wait()
		s := streamOf(&srv.Conn, 1)
		for _, row := range []struct{ send, consume, window int }{
			{0, 0, 65_535},
			{16_000, 0, 49_535},      // held
			{16_000, 32_000, 33_535}, // not half yet
			{1000, 1000, 131_070},    // twice the first
			{16_000, 16_000, 115_070},
			{16_000, 16_000, 99_070},
			{16_000, 16_000, 83_070},
			{16_000, 16_000, 67_070},
			{16_000, 16_000, 150_000}, // the most
			{16_000, 0, 134_000},
		} {
			if row.send > 0 {
				p.data(1, false, row.send)
			}
			synctest.Wait()
			s.Consumed(nil, row.consume)
			s.c.mu.Lock()
			window := s.flow.window
			s.c.mu.Unlock()
			if window != row.window {
				t.Errorf("after %d bytes sent and %d consumed the window is %d, want %d", row.send, row.consume, window,
					row.window)
			}
		}
	})
}

// TestWideWindows: an endpoint whose response did not fit into the first window gets a wide one with the next streams.
// So large responses wait for no round trip. With small responses it gets none.
func TestWideWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{})
		window := func(s *Stream) int {
			s.c.mu.Lock()
			defer s.c.mu.Unlock()
			return s.flow.window
		}
		response := func(id uint32, s *Stream, n int) {
			p.headers(id, false, ":status", "200")
			p.data(id, false, n)
			synctest.Wait()
			s.Consumed(nil, n)
		}
		go func() {
			for p.Line() != "end" {
			}
		}()
		p.write(p.WriteSettingsAck())
		synctest.Wait()
		open := func() *Stream {
			s, err := c.Open(nil, request1("GET"), true, newEvents(t))
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		for i, row := range []struct{ first, sent int }{
			{aheadFirst, 100},   // small
			{aheadFirst, 3000},  // large
			{defaultWindow, 10}, // the next ones have room at once
			{defaultWindow, 10},
		} {
			s := open()
			if got := window(s); got != row.first {
				t.Errorf("stream %d begins with a window of %d, want %d", i, got, row.first)
			}
			response(s.id, s, row.sent)
		}
		for range wideStreams - 2 {
			open()
		}
		if got := window(open()); got != aheadFirst {
			t.Errorf("after %d streams with small responses the window is %d, want %d", wideStreams, got, aheadFirst)
		}
	})
}

// TestSmallWindow: until our SETTINGS are acknowledged the peer goes by the default, from then on by them.
func TestSmallWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, srv, _ := serverPeer(t, sink{}, Options{StreamWindow: 1000})
		frames := make(chan string, 20)
		go func() {
			for {
				f := p.Line()
				if f == "end" {
					return
				}
				if strings.HasPrefix(f, "RST") {
					frames <- f
				}
			}
		}()
		p.headers(1, false, post...)
		p.data(1, false, 5000)
		synctest.Wait()
		if srv.active() != 1 {
			t.Fatal("a stream that went by the default window was reset")
		}
		p.write(p.WriteSettingsAck())
		p.headers(3, false, post...)
		p.data(3, false, 1000)
		synctest.Wait()
		if srv.active() != 2 {
			t.Fatal("a stream that kept to its window was reset")
		}
		p.data(3, false, 1)
		if f := <-frames; f != "RST 3 FLOW_CONTROL_ERROR" {
			t.Errorf("frame %q", f)
		}
	})
}

// TestStallIsNotProlonged by an owner that tries again without success.
func TestStallIsNotProlonged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, c := clientPeer(t, Options{StallTimeout: 5 * time.Second},
			xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
		p.Want("SETTINGS ack")
		s, e := p.open(c, false)
		began := time.Now()
		go func() {
			for range 10 {
				_, _ = s.WriteData(nil, []byte("x"), false)
				<-time.After(time.Second)
			}
		}()
		go func() {
			for p.Line() != "end" {
			}
		}()
		e.want("reset CANCEL")
		took(t, began, 5*time.Second)
		<-time.After(10 * time.Second)
	})
}

// TestFields: what of an HTTP/1.1 head goes into HTTP/2, and in which form.
func TestFields(t *testing.T) {
	var h message.Head
	for _, f := range [][2]string{
		{"Host", "a.example"}, {"Connection", "close, X-Hop"}, {"X-Hop", "1"}, {"Content-Type", "text/plain"},
		{"X-Mixed-CASE", "Value"},
		{"Transfer-Encoding", "chunked"}, {"TE", "trailers"}, {"Upgrade", "h2c"}, {"HTTP2-Settings", "x"},
		{"Keep-Alive", "1"}, {"Cookie", "a=1"}, {"ETag", "x"}, {"x-secret", "s"},
	} {
		h.Append([]byte(f[0]), []byte(f[1]))
	}
	h.Fields[len(h.Fields)-1].Sensitive = true
	if !h.MarkHop() {
		t.Fatal("MarkHop")
	}
	f := new(Fields)
	f.Request([]byte("GET"), []byte("http"), nil, []byte("/?q"))
	f.AddHead(&h, message.Of(message.Cookie))
	f.AddTETrailers()
	f.Add([]byte("content-length"), []byte("12"))
	f.AddID(message.XRequestID, []byte("id"))
	var got []string
	for _, p := range f.list {
		got = append(got, p.name+"="+string(p.value)+strings.Repeat("!", int(p.how)))
	}
	want := ":method=GET :scheme=http :path=/?q! content-type=text/plain x-mixed-case=Value etag=x! x-secret=s!! " +
		"te=trailers content-length=12! x-request-id=id!"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("fields\n%s, want\n%s", s, want)
	}
	c := f.clone()
	f.Reset()
	f.Add([]byte("Other"), []byte("1"))
	if len(c.list) != 10 || c.list[4].name != "x-mixed-case" || string(c.list[8].value) != "12" {
		t.Errorf("the copy changed: %v", c.list)
	}
}
