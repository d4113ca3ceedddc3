package testpeer

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Peer is one end of an HTTP/2 connection. The framer's own methods write, and read, single frames.
type Peer struct {
	*http2.Framer
	t     testing.TB
	r     io.Reader
	block bytes.Buffer
	enc   *hpack.Encoder
	dec   *hpack.Decoder

	// Window and Room are what the other end lets us send, in bytes. Window is for a new stream and Room for all that
	// there are, as far as Next has read.
	Window, Room int
	// Fields are what the last section that Line has read says, each as "name: value".
	Fields []string
}

// New is a peer on a connection that has begun.
func New(t testing.TB, r io.Reader, w io.Writer) *Peer {
	p := &Peer{t: t, r: r, Window: 65535, Room: 65535}
	p.enc, p.dec = hpack.NewEncoder(&p.block), hpack.NewDecoder(4096, nil)
	p.To(w)
	return p
}

// Client begins a connection as a client: it sends the preface and SETTINGS.
func Client(t testing.TB, r io.Reader, w io.Writer, settings ...http2.Setting) *Peer {
	t.Helper()
	p := New(t, r, w)
	_, err := io.WriteString(w, http2.ClientPreface)
	p.Must(err)
	p.Must(p.WriteSettings(settings...))
	return p
}

// Server begins a connection as a server: it reads the client's preface and sends SETTINGS.
func Server(t testing.TB, r io.Reader, w io.Writer, settings ...http2.Setting) *Peer {
	t.Helper()
	p := New(t, r, w)
	got := make([]byte, len(http2.ClientPreface))
	_, err := io.ReadFull(r, got)
	p.Must(err)
	if string(got) != http2.ClientPreface {
		t.Fatalf("the client began with %q, want the preface of HTTP/2", got)
	}
	p.Must(p.WriteSettings(settings...))
	return p
}

// To has frames written to w from now on.
func (p *Peer) To(w io.Writer) {
	p.Framer = http2.NewFramer(w, p.r)
	p.AllowIllegalWrites = true
	p.wholeSections(true)
}

// wholeSections has ReadFrame put header blocks together, for Next; else it reads frames as they are, also illegal
// ones.
func (p *Peer) wholeSections(on bool) {
	p.ReadMetaHeaders, p.AllowIllegalReads = nil, true
	if on {
		p.ReadMetaHeaders, p.AllowIllegalReads = p.dec, false
	}
}

// Must ends the test at an error.
func (p *Peer) Must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// Block encodes a section: names and values in turn.
func (p *Peer) Block(fields ...string) []byte {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a bytes.Buffer takes everything
	}
	return bytes.Clone(p.block.Bytes())
}

// Headers writes a section in one frame. It may be called from any goroutine that writes.
func (p *Peer) Headers(id uint32, end bool, fields ...string) error {
	return p.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: p.Block(fields...), EndStream: end, EndHeaders: true,
	})
}

// Head is Headers that ends the test at an error.
func (p *Peer) Head(id uint32, end bool, fields ...string) {
	p.t.Helper()
	p.Must(p.Headers(id, end, fields...))
}

// Ask writes the head of a request to a.example; more are fields.
func (p *Peer) Ask(id uint32, end bool, method, path string, more ...string) {
	p.t.Helper()
	fields := []string{":method", method, ":scheme", "http", ":authority", "a.example", ":path", path}
	p.Head(id, end, append(fields, more...)...)
}
