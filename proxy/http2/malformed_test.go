package http2

import (
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// TestMalformedRequests sends heads that no proxy may pass on.
func TestMalformedRequests(t *testing.T) {
	ok := "HEADERS 1 :status: 200"
	bad := "RST 1 PROTOCOL_ERROR"
	for _, row := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"plain", get, ok},
		{"host instead of authority", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a.example"},
			ok},
		{"host that repeats authority", with(get, "host", "A.example"), ok},
		{"query", []string{":method", "GET", ":scheme", "https", ":path", "/a?b=c", ":authority", "a.example:8080"},
			ok},
		{"options of everything", []string{":method", "OPTIONS", ":scheme", "http", ":path", "*", ":authority",
			"a.example"}, ok},
		{"te trailers", with(get, "te", "trailers"), ok},
		{"tab inside a value", with(get, "x", "a\tb"), ok},
		{"byte over 0x7f in a value", with(get, "x", "\xe4"), ok},
		{"connect", []string{":method", "CONNECT", ":authority", "a.example:443"}, ok},
		{"length of nothing", with(get, "content-length", "0"), ok},

		{"upper-case name", with(get, "X-Upper", "1"), bad},
		{"empty name", with(get, "", "1"), bad},
		{"space in a name", with(get, "a b", "1"), bad},
		{"colon in a name", with(get, "a:b", "1"), bad},
		{"line break in a value", with(get, "x", "a\r\nhost: b"), bad},
		{"bare line feed in a value", with(get, "x", "a\nb"), bad},
		{"zero byte in a value", with(get, "x", "a\x00b"), bad},
		{"space in front of a value", with(get, "x", " a"), bad},
		{"tab behind a value", with(get, "x", "a\t"), bad},
		{"line break in the path", []string{":method", "GET", ":scheme", "http", ":path", "/a\r\nb", ":authority",
			"a.example"}, bad},
		{"space in the path", []string{":method", "GET", ":scheme", "http", ":path", "/a HTTP/1.1", ":authority",
			"a.example"}, bad},
		{"fragment in the path", []string{":method", "GET", ":scheme", "http", ":path", "/a#b", ":authority",
			"a.example"}, bad},
		{"path without a slash", []string{":method", "GET", ":scheme", "http", ":path", "a", ":authority", "a.example"},
			bad},
		{"star that is no OPTIONS", []string{":method", "GET", ":scheme", "http", ":path", "*", ":authority",
			"a.example"}, bad},
		{"empty path", []string{":method", "GET", ":scheme", "http", ":path", "", ":authority", "a.example"}, bad},
		{"method with a space", []string{":method", "GET /", ":scheme", "http", ":path", "/", ":authority",
			"a.example"}, bad},
		{"scheme with a colon", []string{":method", "GET", ":scheme", "http://x", ":path", "/", ":authority",
			"a.example"}, bad},
		{"no authority at all", []string{":method", "GET", ":scheme", "http", ":path", "/"}, bad},
		{"empty authority", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", ""}, bad},
		{"user in the authority", []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority",
			"u@a.example"}, bad},
		{"two hosts", []string{":method", "GET", ":scheme", "http", ":path", "/", "host", "a.example", "host",
			"a.example"}, bad},
		{"host that differs", with(get, "host", "b.example"), bad},
		{"connection", with(get, "connection", "close"), bad},
		{"keep-alive", with(get, "keep-alive", "timeout=5"), bad},
		{"proxy-connection", with(get, "proxy-connection", "close"), bad},
		{"transfer-encoding", with(get, "transfer-encoding", "chunked"), bad},
		{"upgrade", with(get, "upgrade", "websocket"), bad},
		{"te gzip", with(get, "te", "gzip"), bad},
		{"te trailers and more", with(get, "te", "trailers, gzip"), bad},
		{"length of a body that is missing", with(get, "content-length", "5"), bad},
		{"two lengths", with(get, "content-length", "0", "content-length", "0"), bad},
		{"length with a sign", with(get, "content-length", "+0"), bad},
		{"length list", with(get, "content-length", "0, 0"), bad},
		{"empty length", with(get, "content-length", ""), bad},
		{"status in a request", with([]string{":status", "200"}, get...), bad},
		{"protocol without CONNECT", with(get[:8:8], ":protocol", "websocket"), bad},
		{"extended connect, which is not offered", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme",
			"http", ":path", "/", ":authority", "a.example"}, bad},
		{"connect with a path", []string{":method", "CONNECT", ":path", "/", ":authority", "a.example:443"}, bad},
		{"connect without an authority", []string{":method", "CONNECT"}, bad},
		{"repeated authority", with(get[:8:8], ":authority", "a.example"), bad},
		{"pseudo-header behind a field", with([]string{"x", "1"}, get...), bad},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := serverPeer(t, echo{}, Options{})
				p.headers(1, row.fields[1] != "CONNECT" || row.want == bad, row.fields...)
				if got := p.Until("RST", "HEADERS", "GOAWAY"); got != row.want {
					t.Errorf("%q, want %q", got, row.want)
				}
				// The connection and its table go on.
				p.headers(3, true, get...)
				p.Want("HEADERS 3 :status: 200")
			})
		})
	}
}

// TestBrokenRules sends frames that are out of place, and looks for the right kind of end.
func TestBrokenRules(t *testing.T) {
	for _, row := range []struct {
		name string
		send func(p *peer)
		want string
	}{
		{"more data than content-length", func(p *peer) {
			p.headers(1, false, with(post, "content-length", "3")...)
			p.data(1, false, 4)
		}, "RST 1 PROTOCOL_ERROR"},
		{"less data than content-length", func(p *peer) {
			p.headers(1, false, with(post, "content-length", "3")...)
			p.data(1, true, 2)
		}, "RST 1 PROTOCOL_ERROR"},
		{"trailers before content-length is reached", func(p *peer) {
			p.headers(1, false, with(post, "content-length", "3")...)
			p.headers(1, true, "x", "1")
		}, "RST 1 PROTOCOL_ERROR"},
		{"trailers that do not end", func(p *peer) { p.headers(1, false, post...); p.headers(1, false, "x", "1") },
			"RST 1 PROTOCOL_ERROR"},
		{"length in trailers", func(p *peer) {
			p.headers(1, false, post...)
			p.headers(1, true, "content-length", "0")
		}, "RST 1 PROTOCOL_ERROR"},
		{"te in trailers", func(p *peer) { p.headers(1, false, post...); p.headers(1, true, "te", "trailers") },
			"RST 1 PROTOCOL_ERROR"},
		{"trailers on connect", func(p *peer) {
			p.headers(1, false, ":method", "CONNECT", ":authority", "a.example:443")
			p.headers(1, true, "x", "1")
		}, "RST 1 PROTOCOL_ERROR"},
		{"window of one stream", func(p *peer) {
			p.headers(1, false, post...)
			synctest.Wait()
			p.write(p.WriteWindowUpdate(1, 1<<31-1))
		}, "RST 1 FLOW_CONTROL_ERROR"},
		{"window of the connection", func(p *peer) { p.write(p.WriteWindowUpdate(0, 1<<31-1)) },
			"GOAWAY 0 FLOW_CONTROL_ERROR"},
		{"push", func(p *peer) {
			p.write(p.WritePushPromise(xhttp2.PushPromiseParam{StreamID: 1, PromiseID: 2,
				BlockFragment: p.Block(get...), EndHeaders: true}))
		}, "GOAWAY 0 PROTOCOL_ERROR"},
		{"even stream", func(p *peer) { p.headers(2, true, get...) }, "GOAWAY 0 PROTOCOL_ERROR"},
		{"stream that went down", func(p *peer) {
			p.headers(5, true, get...)
			synctest.Wait()
			p.headers(3, true, get...)
		}, "GOAWAY 5 PROTOCOL_ERROR"},
		{"stream twice", func(p *peer) { p.headers(1, true, get...); synctest.Wait(); p.headers(1, true, get...) },
			"GOAWAY 1 STREAM_CLOSED"},
		{"frame inside a block", func(p *peer) {
			p.write(p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.Block(get...)}))
			p.write(p.WritePing(false, [8]byte{}))
		}, "GOAWAY 0 PROTOCOL_ERROR"},
		{"garbage for HPACK", func(p *peer) {
			p.write(p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1,
				BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true}))
		}, "GOAWAY 0 COMPRESSION_ERROR"},
		{"frame too large", func(p *peer) { p.headers(1, false, post...); p.data(1, false, 1<<14+1) },
			"GOAWAY 1 FRAME_SIZE_ERROR"},
		{"more than the stream's window", func(p *peer) {
			p.headers(1, false, post...)
			for range 4 {
				p.data(1, false, 1<<14)
			}
		}, "RST 1 FLOW_CONTROL_ERROR"},
		{"more than the connection's window", func(p *peer) {
			for id := uint32(1); id < 13; id += 2 {
				p.headers(id, false, post...)
				for range 3 {
					p.data(id, false, 1<<14)
				}
			}
		}, "GOAWAY 11 FLOW_CONTROL_ERROR"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := serverPeer(t, sink{}, Options{StreamWindow: 8 << 14, ConnWindow: 16 << 14})
				go row.send(p)
				if got := p.Until("RST", "GOAWAY"); got != row.want {
					t.Errorf("%q, want %q", got, row.want)
				}
			})
		})
	}
}

// kept begins a response at once, and leaves its end to the test.
type kept struct {
	discard
	stream chan *Stream
}

func (k kept) Request(b *Batch, s *Stream, _ *message.Head, _ bool) Receiver {
	f := b.Fields()
	f.Status(200)
	_ = s.WriteHead(b, f, false)
	k.stream <- s
	return k
}

// A header block that began while the stream was open may end behind it. Behind a stream that ended in order it breaks
// a rule, as one that begins there does. What we have reset is not known to the client yet.
func TestStreamEndsInsideABlock(t *testing.T) {
	for _, row := range []struct {
		name  string
		whole bool // the request has ended before
		end   func(s *Stream) error
		want  string
	}{
		{"in order", true, func(s *Stream) error { _, err := s.WriteData(nil, []byte("hi"), true); return err },
			"GOAWAY 1 STREAM_CLOSED"},
		{"by a reset", false, func(s *Stream) error { s.Reset(nil, Cancel); return nil }, "PING ack"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := kept{stream: make(chan *Stream, 1)}
				p, _, _ := serverPeer(t, k, Options{})
				p.headers(1, row.whole, post...)
				p.Until("HEADERS")
				block := p.Block("x", "1")
				p.write(p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, EndStream: true,
					BlockFragment: block[:1]}))
				synctest.Wait()
				ended := make(chan error, 1)
				go func() { ended <- row.end(<-k.stream) }()
				p.Until("DATA", "RST")
				if err := <-ended; err != nil {
					t.Fatal(err)
				}
				go func() {
					p.write(p.WriteContinuation(1, true, block[1:]))
					p.write(p.WritePing(false, [8]byte{}))
				}()
				if got := p.Until("GOAWAY", "PING"); got != row.want {
					t.Errorf("%q, want %q", got, row.want)
				}
			})
		})
	}
}

// sink answers at once and never consumes what it is sent.
type sink struct{ discard }

func (sink) Request(b *Batch, s *Stream, h *message.Head, end bool) Receiver {
	if end {
		return echo{}.Request(b, s, h, end)
	}
	f := b.Fields()
	f.Status(200)
	_ = s.WriteHead(b, f, false)
	return sink{}
}

func (sink) Data(*Batch, *Stream, []byte, bool) {}

// TestHeadLimits: a head over the limit is answered, one far over it ends the connection.
func TestHeadLimits(t *testing.T) {
	many := with(get)
	for i := range 101 {
		many = append(many, "x"+strconv.Itoa(i), "1")
	}
	for _, row := range []struct {
		name   string
		fields []string
		want   string
	}{
		{"fits", with(get, "x", strings.Repeat("a", 7000)), "HEADERS 1 :status: 200"},
		{"bytes", with(get, "x", strings.Repeat("a", 8200)), "HEADERS 1 :status: 431 end"},
		{"fields", many, "HEADERS 1 :status: 431 end"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := serverPeer(t, echo{}, Options{MaxHeaderBytes: 8 << 10, MaxFields: 100})
				p.headers(1, true, row.fields...)
				p.Want(row.want)
				if want := strings.HasSuffix(row.want, "431 end"); (p.hits.of(LimitHead) == 1) != want {
					t.Errorf("limit counted %d times", p.hits.of(LimitHead))
				}
				p.headers(3, true, get...)
				p.Want("HEADERS 3 :status: 200")
			})
		})
	}
}

// TestRequestAsTheOwnerSeesIt compares a decoded head.
func TestRequestAsTheOwnerSeesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen message.Head
		p, _, _ := serverPeer(t, echo{seen: func(h *message.Head) { CopyHead(&seen, h) }}, Options{})
		p.headers(1, false, ":method", "PUT", ":scheme", "https", ":path", "/a/b?c=d&e", ":authority", "a.example:1",
			"cookie", "a=1",
			"x-one", "1", "cookie", "b=2", "content-length", "7", "te", "trailers", "expect", "100-continue")
		p.Want("HEADERS 1 :status: 200")
		got := []string{string(seen.Method), string(seen.Scheme), string(seen.Target), string(seen.Path),
			string(seen.Query), string(seen.Authority),
			seen.Version.String(), strconv.FormatInt(seen.ContentLength, 10)}
		want := []string{"PUT", "https", "/a/b?c=d&e", "/a/b", "c=d&e", "a.example:1", "HTTP/2.0", "7"}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("head %q, want %q", got, want)
		}
		if !seen.TETrailers || !seen.Expect100 || seen.Body != message.Sized {
			t.Errorf("te %v, expect %v, body %v", seen.TETrailers, seen.Expect100, seen.Body)
		}
		if lines := string(seen.AppendFields(nil, message.Of(message.Cookie, message.TE,
			message.Expect))); lines != "x-one: 1\r\ncontent-length: 7\r\n" {
			t.Errorf("fields %q", lines)
		}
		if c := string(JoinCookies(nil, &seen)); c != "cookie: a=1; b=2\r\n" {
			t.Errorf("cookies %q", c)
		}
	})
}

// TestSilentPeers lets time pass where the peer should have done something.
func TestSilentPeers(t *testing.T) {
	o := Options{ReadTimeout: 5 * time.Second, IdleTimeout: 20 * time.Second, StallTimeout: 7 * time.Second,
		SettingsTimeout: 60 * time.Second}
	for _, row := range []struct {
		name string
		o    func(*Options)
		send func(p *peer)
		want string
		took time.Duration
		hit  Limit
	}{
		{"idle", nil, func(*peer) {}, "GOAWAY 0 NO_ERROR", 20 * time.Second, limitCount},
		{"settings", func(o *Options) { o.SettingsTimeout = 3 * time.Second }, func(*peer) {},
			"GOAWAY 0 SETTINGS_TIMEOUT", 3 * time.Second, LimitSilence},
		{"half a head", nil, func(p *peer) {
			p.write(p.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: p.Block(get...)}))
		}, "GOAWAY 0 NO_ERROR", 5 * time.Second, LimitSilence},
		{"half a frame", nil, func(p *peer) { _, _ = p.nc.Write([]byte{0, 0, 8, framePing, 0}) }, "GOAWAY 0 NO_ERROR",
			5 * time.Second, LimitSilence},
		{"closed window", nil, func(p *peer) {
			p.write(p.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1}))
			p.headers(1, true, get...)
		}, "RST 1 CANCEL", 7 * time.Second, LimitStall},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := o
				if row.o != nil {
					row.o(&o)
				}
				began := time.Now()
				p, _, _ := serverPeer(t, echo{}, o)
				go row.send(p)
				if got := p.Until("RST", "GOAWAY"); got != row.want {
					t.Errorf("%q, want %q", got, row.want)
				}
				took(t, began, row.took)
				if row.hit < limitCount && p.hits.of(row.hit) != 1 {
					t.Errorf("limit %v counted %d times", row.hit, p.hits.of(row.hit))
				}
			})
		})
	}
}
