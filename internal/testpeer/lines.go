package testpeer

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Line is the next frame, whatever it is about, as a short text such as "DATA 1 5 end", and "end" behind the last. It
// may be called from any goroutine that reads.
func (p *Peer) Line() string {
	p.wholeSections(false)
	f, err := p.ReadFrame()
	if err != nil {
		var broken http2.ConnectionError
		if errors.As(err, &broken) || errors.As(err, new(http2.StreamError)) {
			return err.Error() // what came broke a rule
		}
		return "end"
	}
	h := f.Header()
	end := ""
	if h.Flags.Has(http2.FlagDataEndStream) && h.Type <= http2.FrameHeaders {
		end = " end"
	}
	switch f := f.(type) {
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST %d %v", h.StreamID, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d %v", f.LastStreamID, f.ErrCode)
	case *http2.HeadersFrame:
		p.Fields = p.Fields[:0]
		p.decode(f.HeaderBlockFragment(), f.HeadersEnded())
		first := ""
		if len(p.Fields) > 0 {
			first = p.Fields[0]
		}
		return fmt.Sprintf("HEADERS %d %s%s", h.StreamID, first, end)
	case *http2.ContinuationFrame:
		p.decode(f.HeaderBlockFragment(), f.HeadersEnded())
		return fmt.Sprintf("CONTINUATION %d", h.StreamID)
	case *http2.DataFrame:
		return fmt.Sprintf("DATA %d %d%s", h.StreamID, h.Length, end)
	case *http2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW %d %d", h.StreamID, f.Increment)
	case *http2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ack"
		}
		return "SETTINGS"
	case *http2.PingFrame:
		if f.IsAck() {
			return "PING ack"
		}
		return fmt.Sprintf("PING %s", bytes.TrimRight(f.Data[:], "\x00"))
	}
	return h.String()
}

// decode adds a piece of a header block to Fields.
func (p *Peer) decode(piece []byte, last bool) {
	p.dec.SetEmitFunc(func(f hpack.HeaderField) { p.Fields = append(p.Fields, f.Name+": "+f.Value) })
	_, err := p.dec.Write(piece)
	if err == nil && last {
		err = p.dec.Close()
	}
	if err != nil {
		p.t.Errorf("header block: %v", err)
	}
}

// Until reads up to a frame whose Line begins with one of the words, and returns it, or "end". It may be called from
// any goroutine that reads.
func (p *Peer) Until(words ...string) string {
	for {
		s := p.Line()
		for _, w := range append(words, "end") {
			if strings.HasPrefix(s, w) {
				return s
			}
		}
	}
}

// Want reads up to a frame of the same kind, and compares its Line.
func (p *Peer) Want(line string) {
	p.t.Helper()
	kind := line
	if i := strings.IndexByte(line, ' '); i >= 0 && !strings.HasSuffix(line, "ack") {
		kind = line[:i]
	}
	if got := p.Until(kind); got != line {
		p.t.Fatalf("frame %q, want %q", got, line)
	}
}
