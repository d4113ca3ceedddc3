package http1

import (
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// script is a connection whose peer sends the pieces one by one and then ends.
type script struct {
	net.Conn
	pieces []string
	writes []string
}

func (s *script) Read(b []byte) (int, error) {
	for len(s.pieces) > 0 && s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) {
	s.writes = append(s.writes, string(b))
	return len(b), nil
}

func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// reader reads what comes in these pieces.
func reader(lim Limits, pieces ...string) *Reader {
	return NewReader(netio.New(&script{pieces: pieces}, netio.NewSweeper(), 0), lim, nil, 0)
}

// early is a reader that has all of s already, as after a read by somebody else, and whose connection has ended.
func early(lim Limits, s string) *Reader {
	b := netio.Sized(len(s))
	copy(b.B, s)
	return NewReader(netio.New(&script{}, netio.NewSweeper(), 0), lim, b, len(s))
}

// drips cuts s into pieces of n bytes.
func drips(s string, n int) (pieces []string) {
	for len(s) > n {
		pieces = append(pieces, s[:n])
		s = s[n:]
	}
	return append(pieces, s)
}

// ways are the ways in which the same bytes may come.
func ways(lim Limits, s string) map[string]*Reader {
	return map[string]*Reader{
		"early":   early(lim, s),
		"whole":   reader(lim, s),
		"bytes":   reader(lim, drips(s, 1)...),
		"threes":  reader(lim, drips(s, 3)...),
		"packets": reader(lim, drips(s, 1460)...),
	}
}

// describe says what a head says, the fields apart.
func describe(h *message.Head) string {
	kind := [...]string{message.NoBody: "none", message.Sized: "sized", message.Chunked: "chunked",
		message.UntilClose: "until close"}[h.Body]
	s := fmt.Sprintf("%s body=%s", h.Version, kind)
	if h.ContentLength >= 0 {
		s += fmt.Sprintf(" length=%d", h.ContentLength)
	}
	for _, f := range []struct {
		name  string
		value []byte
	}{
		{"method", h.Method}, {"target", h.Target}, {"scheme", h.Scheme}, {"authority", h.Authority}, {"path", h.Path},
		{"query", h.Query},
		{"reason", h.Reason}, {"upgrade", h.Upgrade},
	} {
		if f.value != nil {
			s += fmt.Sprintf(" %s=%s", f.name, f.value)
		}
	}
	if h.Status != 0 {
		s += fmt.Sprintf(" status=%d", h.Status)
	}
	if h.Close {
		s += " close"
	}
	if h.Expect100 {
		s += " expect"
	}
	if h.TETrailers {
		s += " trailers"
	}
	return s
}

// fieldsOf lists the fields, each with its ID and mark.
func fieldsOf(h *message.Head) string {
	s := ""
	for i := range h.Fields {
		f := &h.Fields[i]
		s += fmt.Sprintf("%d %v %q: %q\n", f.ID, f.Hop, h.Name(f), h.Value(f))
	}
	return s
}

// wantError fails the test unless err is the refusal wanted; a nil want is none.
func wantError(t *testing.T, way string, err error, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s: error %v, want %v", way, err, want)
	}
}
