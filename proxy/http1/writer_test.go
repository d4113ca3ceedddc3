package http1

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// writer is a Writer, and what it has written, one string a call.
func writer() (*Writer, *script) {
	s := &script{}
	return &Writer{Conn: netio.New(s, netio.NewSweeper(), 0)}, s
}

const okHead = "HTTP/1.1 200 OK\r\n\r\n"

// answer writes a head and a body in these pieces.
func answer(t *testing.T, w *Writer, chunked bool, pieces ...string) {
	t.Helper()
	w.Head(append(w.Begin(), okHead...), chunked)
	for _, p := range pieces {
		if err := w.Body([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(nil, 0); err != nil {
		t.Fatal(err)
	}
}

// TestWriterGathers: what fits the buffer is one call, head and all.
func TestWriterGathers(t *testing.T) {
	tests := []struct {
		name    string
		chunked bool
		pieces  []string
		want    string
	}{
		{"no body", false, nil, okHead},
		{"no body in chunks", true, nil, okHead + "0\r\n\r\n"},
		{"sized", false, []string{"a", "bc", ""}, okHead + "abc"},
		{"chunks", true, []string{"a", "", "0123456789"}, okHead + "1\r\na\r\na\r\n0123456789\r\n0\r\n\r\n"},
		{"sized, as much as fits", false, []string{strings.Repeat("x", netio.BufferSize-len(okHead))},
			okHead + strings.Repeat("x", netio.BufferSize-len(okHead))},
	}
	for _, tt := range tests {
		w, s := writer()
		answer(t, w, tt.chunked, tt.pieces...)
		if len(s.writes) != 1 || s.writes[0] != tt.want {
			t.Errorf("%s: %.100q, want one write of %.100q", tt.name, s.writes, tt.want)
		}
		if w.Sent() != int64(len(tt.want)) || w.Pending() != 0 {
			t.Errorf("%s: Sent = %d, Pending = %d; want %d, 0", tt.name, w.Sent(), w.Pending(), len(tt.want))
		}
		if w.Done(); w.buf != nil || w.out != nil || w.Sent() != 0 {
			t.Errorf("%s: something is left after Done", tt.name)
		}
	}
}

// TestWriterCalls: large bodies take a bounded number of calls, and small pieces never one each.
func TestWriterCalls(t *testing.T) {
	tests := []struct {
		name    string
		chunked bool
		piece   int
		count   int
		most    int
	}{
		{"small pieces", false, 100, 1000, 100_000/netio.BufferSize + 2},
		{"small chunks", true, 100, 1000, 108_000/netio.BufferSize + 2},
		{"one large piece", false, 60_000, 1, 2},
		{"one large chunk", true, 60_000, 1, 2},
		{"large pieces", false, 60_000, 10, 11},
		{"large chunks", true, 60_000, 10, 11},
		{"a little more than fits", false, netio.BufferSize - len(okHead) + 1, 1, 2},
	}
	for _, tt := range tests {
		w, s := writer()
		p := strings.Repeat("x", tt.piece)
		pieces := make([]string, tt.count)
		for i := range pieces {
			pieces[i] = p
		}
		answer(t, w, tt.chunked, pieces...)
		calls := 0
		for i := range s.writes {
			if i == 0 || len(s.writes[i-1]) != 16<<10 { // as netio cuts one call for what is no socket
				calls++
			}
		}
		if calls > tt.most {
			t.Errorf("%s: %d calls, want at most %d", tt.name, calls, tt.most)
		}
	}
}

// TestWriterRoundTrip: what a Writer frames a Reader reads, in any pieces.
func TestWriterRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		var pieces []string
		total := 0
		for range r.IntN(30) {
			n := r.IntN([]int{3, 300, 30_000, 90_000}[r.IntN(4)])
			pieces = append(pieces, strings.Repeat(string(rune('a'+r.IntN(26))), n))
			total += n
		}
		body := strings.Join(pieces, "")
		for _, chunked := range []bool{false, true} {
			w, s := writer()
			field := "Content-Length: " + strconv.Itoa(total) + "\r\n"
			if chunked {
				field = "Transfer-Encoding: chunked\r\n"
			}
			pad := "Pad: " + strings.Repeat("p", r.IntN(20_000)) + "\r\n" // also longer than the buffer
			w.Head(append(w.Begin(), "HTTP/1.1 200 OK\r\n"+field+pad+"\r\n"...), chunked)
			for i, p := range pieces {
				if err := w.Body([]byte(p)); err != nil {
					t.Fatal(err)
				}
				if i%7 == 0 {
					if err := w.Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := w.End(nil, 0); err != nil {
				t.Fatal(err)
			}
			sent := strings.Join(s.writes, "")
			if w.Sent() != int64(len(sent)) {
				t.Fatalf("Sent = %d of %d", w.Sent(), len(sent))
			}
			w.Done()
			rd := reader(DefaultLimits(), sent)
			var h message.Head
			if err := rd.ReadResponse(&h, false); err != nil {
				t.Fatal(err)
			}
			if got := readBody(rd, &h); !got.equal(outcome{body: body}) {
				t.Fatalf("chunked %v: %d of %d bytes came back, rest %q, %v", chunked, len(got.body), total, got.rest,
					got.err)
			}
		}
	}
}

func TestWriterTrailers(t *testing.T) {
	var trailers message.Head
	trailers.Reset()
	for _, f := range [][2]string{{"Grpc-Status", "0"}, {"Content-Length", "5"}, {"x-sum", "1"}, {"Host", "evil"}} {
		trailers.Append([]byte(f[0]), []byte(f[1]))
	}
	for _, row := range []struct {
		chunked bool
		drop    message.Set
		want    string
	}{
		{true, 0, "0\r\nGrpc-Status: 0\r\nContent-Length: 5\r\nx-sum: 1\r\nHost: evil\r\n\r\n"},
		{true, message.Of(message.ContentLength, message.Host), "0\r\nGrpc-Status: 0\r\nx-sum: 1\r\n\r\n"},
		{false, 0, ""},
	} {
		w, s := writer()
		w.Head(append(w.Begin(), okHead...), row.chunked)
		if err := w.End(&trailers, row.drop); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.writes, ""); got != okHead+row.want {
			t.Errorf("chunked %v: %q, want %q", row.chunked, got, okHead+row.want)
		}
	}
}

// broken is a connection that takes some bytes and then none.
type broken struct {
	script
	left int
}

var errBroken = errors.New("broken")

func (b *broken) Write(p []byte) (int, error) {
	n := min(len(p), b.left)
	b.left -= n
	if n < len(p) {
		return n, errBroken
	}
	return n, nil
}

// TestWriterBreaks: an error is told by the call that meets it, and Sent counts what went out before.
func TestWriterBreaks(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		for _, left := range []int{0, 10, 20_000, 100_000} {
			w := &Writer{Conn: netio.New(&broken{left: left}, netio.NewSweeper(), 0)}
			w.Head(append(w.Begin(), okHead...), chunked)
			var err error
			for range 20 {
				if err = w.Body(make([]byte, 10_000)); err != nil {
					break
				}
			}
			if err == nil {
				err = w.End(nil, 0)
			}
			if !errors.Is(err, errBroken) || w.Sent() != int64(left) {
				t.Errorf("chunked %v, %d bytes: %v, Sent = %d", chunked, left, err, w.Sent())
			}
			w.Done()
		}
	}
}

// TestWriterDrops: Done drops what was gathered, so that it does not lead the next message.
func TestWriterDrops(t *testing.T) {
	w, s := writer()
	w.Head(append(w.Begin(), okHead...), true)
	if err := w.Body([]byte("never sent")); err != nil {
		t.Fatal(err)
	}
	if w.Pending() == 0 {
		t.Error("nothing is pending")
	}
	w.Done()
	answer(t, w, false, "x")
	if got := strings.Join(s.writes, ""); got != okHead+"x" {
		t.Errorf("wrote %q", got)
	}
}

func TestAppend(t *testing.T) {
	for status := 100; status < 600; status++ {
		var h message.Head
		for _, reason := range [][]byte{nil, []byte("Own Words"), {}} {
			line := AppendStatusLine(nil, status, reason)
			if err := reader(DefaultLimits(), string(line)+"\r\n").ReadResponse(&h, false); err != nil ||
				h.Status != status {
				t.Fatalf("%q: %d, %v", line, h.Status, err)
			}
			if reason != nil && string(h.Reason) != string(reason) {
				t.Errorf("%q: reason %q", line, h.Reason)
			}
		}
		if own := reasonOf(status); own != "" && own != http.StatusText(status) && status != 413 &&
			status != 414 { // newer names in RFC 9110
			t.Errorf("%d is %q, want %q", status, own, http.StatusText(status))
		}
	}
	if got := string(AppendField(AppendField(nil, "A", "b"), "C", []byte("d"))); got != "A: b\r\nC: d\r\n" {
		t.Errorf("AppendField: %q", got)
	}
	if got := appendChunk([]byte("|"), make([]byte, 300)); string(got) != "|12c\r\n"+
		strings.Repeat("\x00", 300)+"\r\n" {
		t.Errorf("appendChunk: %q", got)
	}
}
