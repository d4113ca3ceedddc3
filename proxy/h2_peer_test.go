package proxy_test

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frames is one end of an HTTP/2 connection with the gateway, held by a test that writes and reads frames itself: a
// client's, or an endpoint's.
type frames struct {
	*http2.Framer
	w   *wire
	t   testing.TB
	buf bytes.Buffer
	enc *hpack.Encoder
	dec *hpack.Decoder

	window, room int // what the gateway lets us send on a new stream, and on all of them
}

func newFrames(w *wire, settings ...http2.Setting) *frames {
	w.t.Helper()
	f := &frames{w: w, t: w.t, window: 65535, room: 65535}
	f.enc, f.dec = hpack.NewEncoder(&f.buf), hpack.NewDecoder(4096, nil)
	f.to(w)
	f.must(f.WriteSettings(settings...))
	return f
}

// dial2 connects to the gateway by prior knowledge.
func (g *gateway) dial2(settings ...http2.Setting) *frames {
	g.t.Helper()
	w := g.dial()
	w.send(http2.ClientPreface)
	return newFrames(w, settings...)
}

// accept2 waits for the gateway's next connection, which must be of HTTP/2.
func (e *endpoint) accept2(settings ...http2.Setting) *frames {
	e.t.Helper()
	w := e.accept()
	w.expect(http2.ClientPreface)
	return newFrames(w, settings...)
}

// to has frames written to w from now on.
func (f *frames) to(w io.Writer) {
	f.Framer = http2.NewFramer(w, f.w.r)
	f.ReadMetaHeaders = f.dec
}

func (f *frames) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// head writes a section of fields: names and values in turn.
func (f *frames) head(id uint32, end bool, fields ...string) {
	f.t.Helper()
	f.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		f.must(f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}))
	}
	f.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.buf.Bytes(), EndHeaders: true, EndStream: end}))
}

// ask writes the head of a request; more are fields.
func (f *frames) ask(id uint32, end bool, method, path string, more ...string) {
	f.t.Helper()
	f.head(id, end, append([]string{":method", method, ":scheme", "http", ":authority", "a.example", ":path", path}, more...)...)
}

// next reads the next frame that is about a stream, or the end; what keeps a connection going is answered on the way.
func (f *frames) next() http2.Frame {
	f.t.Helper()
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			f.t.Fatalf("read a frame: %v", err)
		}
		switch fr := fr.(type) {
		case *http2.SettingsFrame:
			if v, ok := fr.Value(http2.SettingInitialWindowSize); ok {
				f.window = int(v)
			}
			if !fr.IsAck() {
				f.must(f.WriteSettingsAck())
			}
		case *http2.PingFrame:
			if !fr.IsAck() {
				f.must(f.WritePing(true, fr.Data))
			}
		case *http2.WindowUpdateFrame:
			if fr.StreamID == 0 {
				f.room += int(fr.Increment)
			}
		default:
			return fr
		}
	}
}

// fields reads a section of fields of the stream.
func (f *frames) fields(id uint32) *http2.MetaHeadersFrame {
	f.t.Helper()
	fr := f.next()
	h, ok := fr.(*http2.MetaHeadersFrame)
	if !ok || h.StreamID != id {
		f.t.Fatalf("got %v, want fields on stream %d", fr, id)
	}
	return h
}

// any reads the fields that begin a stream, which has whatever number.
func (f *frames) any() *http2.MetaHeadersFrame {
	f.t.Helper()
	fr := f.next()
	h, ok := fr.(*http2.MetaHeadersFrame)
	if !ok {
		f.t.Fatalf("got %v, want fields", fr)
	}
	return h
}

// answer reads the head of an answer, which must have the status.
func (f *frames) answer(id uint32, status string) *http2.MetaHeadersFrame {
	f.t.Helper()
	h := f.fields(id)
	if got := h.PseudoValue("status"); got != status {
		f.t.Fatalf("status of stream %d = %s, want %s", id, got, status)
	}
	return h
}

// text reads so much of the stream's body.
func (f *frames) text(id uint32, want string) (end bool) {
	f.t.Helper()
	got := ""
	for !end && len(got) <= len(want) {
		fr := f.next()
		d, ok := fr.(*http2.DataFrame)
		if !ok || d.StreamID != id {
			f.t.Fatalf("got %v after %q, want data on stream %d", fr, got, id)
		}
		got += string(d.Data())
		if end = d.StreamEnded(); got == want {
			return end
		}
	}
	f.t.Fatalf("body of stream %d = %q, want %q", id, got, want)
	return end
}

// reset reads on until the stream is reset, which must be with the code.
func (f *frames) reset(id uint32, code http2.ErrCode) {
	f.t.Helper()
	for {
		switch fr := f.next().(type) {
		case *http2.RSTStreamFrame:
			if fr.StreamID != id || fr.ErrCode != code {
				f.t.Fatalf("got %v with %v, want stream %d reset with %v", fr, fr.ErrCode, id, code)
			}
			return
		case *http2.DataFrame: // was on its way
			if fr.StreamEnded() {
				f.t.Fatalf("stream %d ended, want it reset with %v", fr.StreamID, code)
			}
		default:
			f.t.Fatalf("got %v, want stream %d reset with %v", fr, id, code)
		}
	}
}

// values are the values of a field, in order.
func values(h *http2.MetaHeadersFrame, name string) (v []string) {
	for _, f := range h.Fields {
		if f.Name == name {
			v = append(v, f.Value)
		}
	}
	return v
}

// relaying is a gateway between a client and an endpoint that speak HTTP/2 frame by frame, with one exchange behind
// them, so that the next ones need no connection to be made. Stream 3 is the client's next.
func relaying(t *testing.T, route string, settings ...http2.Setting) (g *gateway, e *endpoint, down, up *frames) {
	t.Helper()
	e = listen(t)
	g = start(t, clustered(route, "protocol: http2", e.addr))
	down = g.dial2(settings...)
	down.ask(1, true, "GET", "/first")
	up = e.accept2()
	up.head(up.any().StreamID, true, ":status", "200")
	down.answer(1, "200")
	return g, e, down, up
}
