package http2

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// peer is the other end of a connection under test, made of another implementation's framer, so that it can break any rule. It lives in a
// synctest bubble.
type peer struct {
	t    *testing.T
	nc   net.Conn
	fr   *xhttp2.Framer
	buf  bytes.Buffer
	enc  *hpack.Encoder
	dec  *hpack.Decoder
	sw   *netio.Sweeper
	hits *counts
	got  []string // decoded fields of the last HEADERS
}

func newPeer(t *testing.T, nc net.Conn) *peer {
	p := &peer{t: t, nc: nc, fr: xhttp2.NewFramer(nc, nc), hits: new(counts)}
	p.fr.AllowIllegalWrites, p.fr.AllowIllegalReads = true, true
	p.enc = hpack.NewEncoder(&p.buf)
	p.dec = hpack.NewDecoder(4096, func(f hpack.HeaderField) { p.got = append(p.got, f.Name+": "+f.Value) })
	return p
}

// bubbleSweeper runs a sweeper that ends with the bubble.
func bubbleSweeper(t *testing.T) *netio.Sweeper {
	sw := netio.NewSweeper()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { sw.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return sw
}

// serverPeer is a client of a server under test. The preface and empty SETTINGS are sent.
func serverPeer(t *testing.T, h Handler, o Options) (*peer, *Server, <-chan error) {
	ours, theirs := net.Pipe()
	p := newPeer(t, theirs)
	o.Count = p.hits.hit
	p.sw = bubbleSweeper(t)
	srv := NewServer(netio.New(ours, p.sw, 30*time.Second), h, o)
	ended := make(chan error, 1)
	var done sync.WaitGroup
	done.Go(func() { ended <- srv.Serve(nil) })
	t.Cleanup(func() { theirs.Close(); done.Wait() })
	_, _ = io.WriteString(theirs, Preface)
	p.write(p.fr.WriteSettings())
	return p, srv, ended
}

// clientPeer is a server for a client under test. The client's preface has been read, and empty SETTINGS are sent.
func clientPeer(t *testing.T, o Options, settings ...xhttp2.Setting) (*peer, *Client) {
	ours, theirs := net.Pipe()
	p := newPeer(t, theirs)
	o.Count = p.hits.hit
	p.sw = bubbleSweeper(t)
	c := NewClient(netio.New(ours, p.sw, 30*time.Second), o)
	t.Cleanup(func() { theirs.Close(); <-c.Done() })
	if _, err := io.ReadFull(theirs, make([]byte, len(Preface))); err != nil {
		t.Fatal(err)
	}
	p.write(p.fr.WriteSettings(settings...))
	return p, c
}

// write ignores that the connection may be over already: what came of it is read.
func (p *peer) write(err error) { _ = err }

func (p *peer) block(fields ...string) []byte {
	p.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(p.buf.Bytes())
}

// get is the head of a plain request.
var get = []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a.example"}

// post is the head of a request that has a body.
var post = []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a.example"}

func with(fields []string, more ...string) []string {
	return append(append([]string(nil), fields...), more...)
}

func (p *peer) headers(id uint32, end bool, fields ...string) {
	p.write(p.fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(fields...), EndStream: end, EndHeaders: true}))
}

func (p *peer) data(id uint32, end bool, n int) { p.write(p.fr.WriteData(id, end, make([]byte, n))) }

// next is the next frame as a short text, "end" behind the last.
func (p *peer) next() string {
	f, err := p.fr.ReadFrame()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.ErrUnexpectedEOF) {
			return "end"
		}
		return err.Error()
	}
	h := f.Header()
	end := ""
	if h.Flags.Has(xhttp2.FlagDataEndStream) && h.Type <= xhttp2.FrameHeaders {
		end = " end"
	}
	switch f := f.(type) {
	case *xhttp2.RSTStreamFrame:
		return fmt.Sprintf("RST %d %v", h.StreamID, f.ErrCode)
	case *xhttp2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %v", f.LastStreamID, f.ErrCode)
	case *xhttp2.HeadersFrame:
		p.got = p.got[:0]
		_, err := p.dec.Write(f.HeaderBlockFragment())
		if err == nil && f.HeadersEnded() {
			err = p.dec.Close()
		}
		if err != nil {
			p.t.Errorf("header block: %v", err)
		}
		first := ""
		if len(p.got) > 0 {
			first = p.got[0]
		}
		return fmt.Sprintf("HEADERS %d %s%s", h.StreamID, first, end)
	case *xhttp2.ContinuationFrame:
		if _, err := p.dec.Write(f.HeaderBlockFragment()); err != nil {
			p.t.Errorf("header block: %v", err)
		}
		return fmt.Sprintf("CONTINUATION %d", h.StreamID)
	case *xhttp2.DataFrame:
		return fmt.Sprintf("DATA %d %d%s", h.StreamID, h.Length, end)
	case *xhttp2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW %d %d", h.StreamID, f.Increment)
	case *xhttp2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ack"
		}
		return "SETTINGS"
	case *xhttp2.PingFrame:
		if f.IsAck() {
			return "PING ack"
		}
		return fmt.Sprintf("PING %s", bytes.TrimRight(f.Data[:], "\x00"))
	}
	return h.String()
}

// until reads up to a frame that begins with one of the words, and returns it, or what ended the connection before.
func (p *peer) until(words ...string) string {
	for {
		s := p.next()
		for _, w := range append(words, "end") {
			if len(s) >= len(w) && s[:len(w)] == w {
				return s
			}
		}
		if _, err := p.nc.Write(nil); err != nil {
			return "end"
		}
	}
}

// want reads up to a frame of the same kind and compares it.
func (p *peer) want(frame string) {
	p.t.Helper()
	kind := frame
	for i, c := range frame {
		if c == ' ' && !strings.HasSuffix(frame, "ack") {
			kind = frame[:i]
			break
		}
	}
	if got := p.until(kind); got != frame {
		p.t.Fatalf("frame %q, want %q", got, frame)
	}
}
