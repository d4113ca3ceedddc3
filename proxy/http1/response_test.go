package http1

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// readResponse reads one response in every way, see readEveryWay.
func readResponse(t *testing.T, in string, head bool) (said string, err error) {
	t.Helper()
	return readEveryWay(t, DefaultLimits(), in, func(r *Reader, h *message.Head) error {
		return r.ReadResponse(h, head)
	})
}

func TestStatusLine(t *testing.T) {
	tests := []struct {
		line string
		want string
		err  error
	}{
		{line: "HTTP/1.1 200 OK", want: "HTTP/1.1 body=none length=0 reason=OK status=200"},
		{line: "HTTP/1.1 200 ", want: "HTTP/1.1 body=none length=0 reason= status=200"},
		{line: "HTTP/1.1 200", want: "HTTP/1.1 body=none length=0 status=200"},
		{line: "HTTP/1.0 404 Not  Found\t\xe9 ",
			want: "HTTP/1.0 body=none length=0 reason=Not  Found\t\xe9  status=404 close"},
		{line: "HTTP/1.1 599 x", want: "HTTP/1.1 body=none length=0 reason=x status=599"},
		{line: "HTTP/1.1 100 Continue", want: "HTTP/1.1 body=none length=0 reason=Continue status=100"},

		{line: "HTTP/1.1 099 x", err: ErrStatusLine},
		{line: "HTTP/1.1 600 x", err: ErrStatusLine},
		{line: "HTTP/1.1 000 x", err: ErrStatusLine},
		{line: "HTTP/1.1 20 OK", err: ErrStatusLine},
		{line: "HTTP/1.1 2000 OK", err: ErrStatusLine},
		{line: "HTTP/1.1 200OK", err: ErrStatusLine},
		{line: "HTTP/1.1 200\tOK", err: ErrStatusLine},
		{line: "HTTP/1.1 2x0 OK", err: ErrStatusLine},
		{line: "HTTP/1.1 +20 OK", err: ErrStatusLine},
		{line: "HTTP/1.1 -20 OK", err: ErrStatusLine},
		{line: "HTTP/1.1  200 OK", err: ErrStatusLine},
		{line: "HTTP/1.1\t200 OK", err: ErrStatusLine},
		{line: "HTTP/1.1 200 O\rK", err: ErrStatusLine},
		{line: "HTTP/1.1 200 O\x00K", err: ErrStatusLine},
		{line: "HTTP/1.1 200 OK\r", err: ErrStatusLine},
		{line: "HTTP/1.1 200\r", err: ErrStatusLine},
		{line: "HTTP/1.1", err: ErrStatusLine},
		{line: "HTTP/1.1 ", err: ErrStatusLine},
		{line: "HTTP/2.0 200 OK", err: ErrStatusLine},
		{line: "HTTP/1.2 200 OK", err: ErrStatusLine},
		{line: "HTTP/0.9 200 OK", err: ErrStatusLine},
		{line: "http/1.1 200 OK", err: ErrStatusLine},
		{line: "HTTP/1.10 200 OK", err: ErrStatusLine},
		{line: "HTTP 200 OK", err: ErrStatusLine},
		{line: "ICY 200 OK", err: ErrStatusLine},
		{line: " HTTP/1.1 200 OK", err: ErrStatusLine},
		{line: "\r\nHTTP/1.1 200 OK", err: ErrStatusLine},
		{line: "<html>", err: ErrStatusLine},
		{line: "", err: ErrStatusLine},
		{line: "HTTP/1.1 200 OK\nX: y", err: ErrBareLF},
	}
	for _, tt := range tests {
		got, err := readResponse(t, tt.line+"\r\nContent-Length: 0\r\n\r\n", false)
		wantError(t, tt.line, err, tt.err)
		if got != tt.want {
			t.Errorf("%q says %q, want %q", tt.line, got, tt.want)
		}
	}
}

// TestResponseFraming: each row is a status line's beginning and the fields behind it.
func TestResponseFraming(t *testing.T) {
	tests := []struct {
		line, fields string
		head         bool // it answers a HEAD
		want         string
		err          error
	}{
		{line: "1.1 200", want: "HTTP/1.1 body=until close status=200 close"},
		{line: "1.1 200", fields: "Connection: keep-alive\r\n", want: "HTTP/1.1 body=until close status=200 close"},
		{line: "1.1 200", fields: "Content-Length: 5\r\n", want: "HTTP/1.1 body=sized length=5 status=200"},
		{line: "1.1 200", fields: "Content-Length: 0\r\n", want: "HTTP/1.1 body=none length=0 status=200"},
		{line: "1.1 200", fields: "Content-Length: 5\r\nConnection: close\r\n",
			want: "HTTP/1.1 body=sized length=5 status=200 close"},
		{line: "1.1 200", fields: "Transfer-Encoding: chunked\r\n", want: "HTTP/1.1 body=chunked status=200"},
		{line: "1.1 500", fields: "Transfer-Encoding: Chunked\r\nConnection: close\r\n",
			want: "HTTP/1.1 body=chunked status=500 close"},
		{line: "1.1 205", fields: "Content-Length: 5\r\n", want: "HTTP/1.1 body=sized length=5 status=205"},

		{line: "1.1 200", head: true, want: "HTTP/1.1 body=none status=200"},
		{line: "1.1 200", fields: "Content-Length: 5\r\n", head: true, want: "HTTP/1.1 body=none length=5 status=200"},
		{line: "1.1 200", fields: "Transfer-Encoding: chunked\r\n", head: true, want: "HTTP/1.1 body=none status=200"},
		{line: "1.1 304", want: "HTTP/1.1 body=none status=304"},
		{line: "1.1 304", fields: "Content-Length: 5\r\n", want: "HTTP/1.1 body=none length=5 status=304"},
		{line: "1.1 304", fields: "Transfer-Encoding: chunked\r\n", want: "HTTP/1.1 body=none status=304"},
		{line: "1.1 204", want: "HTTP/1.1 body=none status=204"},
		{line: "1.1 204", fields: "Content-Length: 0\r\n", want: "HTTP/1.1 body=none length=0 status=204"},
		{line: "1.1 204", fields: "Content-Length: 5\r\n", want: "HTTP/1.1 body=none length=5 status=204 close"},
		{line: "1.1 204", fields: "Transfer-Encoding: chunked\r\n", want: "HTTP/1.1 body=none status=204 close"},
		{line: "1.1 100", want: "HTTP/1.1 body=none status=100"},
		{line: "1.1 103", fields: "Link: </a>\r\n", want: "HTTP/1.1 body=none status=103"},
		{line: "1.1 101", fields: "Connection: upgrade\r\nUpgrade: websocket\r\n",
			want: "HTTP/1.1 body=none upgrade=websocket status=101"},
		{line: "1.1 101", fields: "Upgrade: websocket\r\n", want: "HTTP/1.1 body=none status=101"},
		{line: "1.0 101", fields: "Connection: upgrade\r\nUpgrade: websocket\r\n",
			want: "HTTP/1.0 body=none status=101 close"},

		{line: "1.0 200", want: "HTTP/1.0 body=until close status=200 close"},
		{line: "1.0 200", fields: "Content-Length: 5\r\n", want: "HTTP/1.0 body=sized length=5 status=200 close"},
		{line: "1.0 200", fields: "Content-Length: 5\r\nConnection: Keep-Alive\r\n",
			want: "HTTP/1.0 body=sized length=5 status=200"},
		{line: "1.0 200", fields: "Connection: keep-alive\r\n", want: "HTTP/1.0 body=until close status=200 close"},
		{line: "1.0 304", fields: "Connection: keep-alive\r\n", want: "HTTP/1.0 body=none status=304"},

		{line: "1.1 200", fields: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", err: ErrLengthAndTE},
		{line: "1.1 200", fields: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", head: true,
			err: ErrLengthAndTE},
		{line: "1.1 304", fields: "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", err: ErrLengthAndTE},
		{line: "1.0 200", fields: "Transfer-Encoding: chunked\r\n", err: ErrTEVersion},
		{line: "1.1 200", fields: "Transfer-Encoding: gzip, chunked\r\n", err: ErrTEUnknown},
		{line: "1.1 200", fields: "Transfer-Encoding: gzip\r\n", err: ErrTE},
		{line: "1.1 200", fields: "Transfer-Encoding: identity\r\n", err: ErrTE},
		{line: "1.1 200", fields: "Transfer-Encoding: chunked, chunked\r\n", err: ErrTE},
		{line: "1.1 200", fields: "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", err: ErrTE},
		{line: "1.1 200", fields: "Transfer-Encoding:\x0bchunked\r\n", err: ErrFieldValue},
		{line: "1.1 200", fields: "Content-Length: 5\r\nContent-Length: 5\r\n", err: ErrLengthRepeated},
		{line: "1.1 200", fields: "Content-Length: 5, 5\r\n", err: ErrLength},
		{line: "1.1 200", fields: "Content-Length:\r\n", err: ErrLength},
		{line: "1.1 204", fields: "Content-Length: -1\r\n", err: ErrLength},
		{line: "1.1 200", fields: "Connection: Content-Length\r\nContent-Length: 5\r\n", err: ErrConnection},
		{line: "1.1 200", fields: "X : y\r\n", err: ErrFieldName},
		{line: "1.1 200", fields: "X: y\r\n z\r\n", err: ErrFold},
		{line: "1.1 200", fields: "X: y\rz\r\n", err: ErrFieldValue},
		{line: "1.1 200", fields: "X: y\n", err: ErrBareLF},
		{line: "1.1 200", fields: strings.Repeat("X: y\r\n", 201), err: ErrFieldCount},
		{line: "1.1 200", fields: strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 66), err: ErrHeadTooLarge},
	}
	for _, tt := range tests {
		got, err := readResponse(t, "HTTP/"+tt.line+"\r\n"+tt.fields+"\r\n", tt.head)
		wantError(t, tt.line+" "+tt.fields, err, tt.err)
		if got != tt.want {
			t.Errorf("%.80q (HEAD %v) says %q, want %q", tt.line+" "+tt.fields, tt.head, got, tt.want)
		}
	}
	// the bound on the line is the request's
	long := "HTTP/1.1 200 " + strings.Repeat("r", 20000) + "\r\nContent-Length: 0\r\n\r\n"
	if _, err := readResponse(t, long, false); err != nil {
		t.Errorf("a long reason: %v", err)
	}
}

func TestResponseBreaksOff(t *testing.T) {
	const in = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for n := range len(in) {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		for way, r := range ways(DefaultLimits(), in[:n]) {
			if way == "early" && n == 0 {
				continue
			}
			var h message.Head
			if err := r.ReadResponse(&h, false); !errors.Is(err, want) {
				t.Errorf("%d bytes %s: %v, want %v", n, way, err, want)
			}
		}
	}
}

// TestInterimResponses: several heads on one connection, each forgotten before the next is read.
func TestInterimResponses(t *testing.T) {
	const in = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 " +
		"OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n"
	for way, r := range ways(DefaultLimits(), in) {
		var h message.Head
		for _, status := range []int{100, 103, 200} {
			if err := r.ReadResponse(&h, false); err != nil || h.Status != status {
				t.Fatalf("%s: %d, %v; want %d", way, h.Status, err, status)
			}
			if status < 200 {
				h.Reset()
				r.Done()
			}
		}
		var b Body
		r.Body(&b, &h)
		if body, err := all(&b); body != "ok" || err != nil {
			t.Errorf("%s: body %q, %v", way, body, err)
		}
		r.Done()
		if err := r.ReadResponse(&h, false); err != nil || h.Status != 204 {
			t.Errorf("%s: the next one: %d, %v", way, h.Status, err)
		}
	}
}

// all reads a body to its end.
func all(b *Body) (string, error) {
	var s strings.Builder
	for {
		p, err := b.Next()
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return s.String(), nil
		}
		if err != nil {
			return s.String(), err
		}
		s.Write(p)
	}
}
