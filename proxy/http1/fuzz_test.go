package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// fuzzLimits are small, so that the fuzzer finds them.
var fuzzLimits = Limits{HeadBytes: 2000, LineBytes: 300, Fields: 20, ExtBytes: 100}

// seeds are heads that say something about framing, for the fuzzer to vary. More are under testdata/fuzz.
var seeds = []string{
	wrkHead, browserHead,
	"POST /a?b HTTP/1.1\r\nHost: h:80\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: x-a, close\r\nX-A: " +
		"1\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
	"GET http://user@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "GET http://[::1]:80?x HTTP/1.0\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
	"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81",
	"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", "GET / HTTP/1.1\nHost: h\n\n",
	"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\x0bchunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: gzip, chunked\r\nExpect: " +
		"100-continue\r\nTE: trailers\r\n\r\n",
}

// first is what one head at the beginning of in says, and what is left behind it.
type first struct {
	said, rest string
	err        error
}

func readFirst(r *Reader, read func(*Reader, *message.Head) error) (f first, h message.Head) {
	if f.err = read(r, &h); f.err != nil {
		return f, h
	}
	f.said = describe(&h) + "\n" + fieldsOf(&h)
	for f.rest = string(r.Take()); ; f.rest += string(r.Take()) {
		if r.fill() != nil {
			return f, h
		}
	}
}

// checkHead holds what is true of every head. It does not matter in what pieces it came, and nothing behind it is
// lost. What is accepted can be written again and says the same.
func checkHead(t *testing.T, in string, read func(*Reader, *message.Head) error,
	startLine func(*message.Head) string) (ok bool, h message.Head) {
	whole, h := readFirst(reader(fuzzLimits, in), read)
	for _, r := range []*Reader{reader(fuzzLimits, drips(in, 1)...), reader(fuzzLimits, drips(in, 1+len(in)/3)...)} {
		got, _ := readFirst(r, read)
		if got.said != whole.said || got.rest != whole.rest || (got.err == nil) != (whole.err == nil) {
			t.Fatalf("in pieces %+v, whole %+v", got, whole)
		}
	}
	if whole.err != nil {
		var refused *Error
		if !errors.As(whole.err, &refused) && !errors.Is(whole.err, io.EOF) &&
			!errors.Is(whole.err, io.ErrUnexpectedEOF) {
			t.Fatalf("error %v", whole.err)
		}
		return false, h
	}
	if n := len(h.Buf); n > fuzzLimits.HeadBytes || len(h.Fields) > fuzzLimits.Fields ||
		strings.TrimPrefix(in, "\r\n") != string(h.Buf)+whole.rest {
		t.Fatalf("a head of %d bytes and %d fields, %d bytes behind it, of %d", n, len(h.Fields), len(whole.rest),
			len(in))
	}
	again := startLine(&h) + "\r\n"
	for i := range h.Fields {
		f := &h.Fields[i]
		again = string(AppendField([]byte(again), string(h.Name(f)), h.Value(f)))
	}
	lim := fuzzLimits
	lim.HeadBytes *= 2 // a space behind the colon may be new
	got, _ := readFirst(reader(lim, again+"\r\n"), read)
	if got.said != whole.said || got.err != nil {
		t.Fatalf("written again as %q: %+v, at first %+v", again, got, whole)
	}
	return true, h
}

func FuzzRequestHead(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(r *Reader, h *message.Head) error { return r.ReadRequest(h) }
		ok, h := checkHead(t, string(b), read, func(h *message.Head) string {
			return string(h.Method) + " " + string(h.Target) + " " + h.Version.String()
		})
		if ok {
			sameRequest(t, &h)
		}
	})
}

// sameRequest holds an accepted head against the reading of net/http, which must be the same. Where net/http reads
// nothing, there is a reason that we know.
func sameRequest(t *testing.T, h *message.Head) {
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(h.Buf)))
	if err != nil {
		var bad *url.Error
		switch {
		// escapes and hosts are the business of whoever uses the target; we pass its bytes on
		case errors.As(err, &bad):
		// the Trailer field is an announcement that we drop or pass on unread
		case strings.Contains(err.Error(), "bad trailer key"):
		case strings.Contains(err.Error(), "invalid method"), strings.Contains(err.Error(), "malformed HTTP request"):
			t.Fatalf("net/http refuses the line: %v", err)
		default:
			t.Fatalf("net/http: %v", err)
		}
		return
	}
	if r.Method != string(h.Method) || r.RequestURI != string(h.Target) {
		t.Fatalf("net/http reads %q %q, we %q %q", r.Method, r.RequestURI, h.Method, h.Target)
	}
	if r.Host != string(h.Authority) && r.Method != http.MethodConnect {
		t.Fatalf("net/http reads host %q, we %q", r.Host, h.Authority)
	}
	if r.ProtoAtLeast(1, 1) != (h.Version == message.HTTP11) || r.Close != h.Close {
		t.Fatalf("net/http reads %s, close %v; we %s, %v", r.Proto, r.Close, h.Version, h.Close)
	}
	chunked := len(r.TransferEncoding) == 1 && r.TransferEncoding[0] == "chunked"
	sized := r.ContentLength > 0
	if chunked != (h.Body == message.Chunked) || sized != (h.Body == message.Sized) || sized &&
		r.ContentLength != h.ContentLength {
		t.Fatalf("net/http reads %v and length %d, we %d and %d", r.TransferEncoding, r.ContentLength, h.Body,
			h.ContentLength)
	}
}

func FuzzResponseHead(f *testing.F) {
	for _, s := range []string{
		nginxHead, okHead, "HTTP/1.0 200\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n",
		"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\nx",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 600 x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		read := func(r *Reader, h *message.Head) error { return r.ReadResponse(h, head) }
		if len(b) > 1 && b[0] == '\r' && b[1] == '\n' {
			return // checkHead takes the empty line before a request into account
		}
		ok, h := checkHead(t, string(b), read, func(h *message.Head) string {
			line := h.Version.String() + string(h.Buf[len("HTTP/1.1"):len("HTTP/1.1 200")])
			if h.Reason != nil {
				line += " " + string(h.Reason)
			}
			return line
		})
		if ok {
			sameResponse(t, &h, head)
		}
	})
}

// sameResponse is sameRequest for a response.
func sameResponse(t *testing.T, h *message.Head, head bool) {
	method := http.MethodGet
	if head {
		method = http.MethodHead
	}
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(h.Buf)), &http.Request{Method: method})
	if err != nil {
		if strings.Contains(err.Error(), "bad trailer key") { // see sameRequest
			return
		}
		t.Fatalf("net/http: %v", err)
	}
	_ = r.Body.Close() // nothing is behind the head
	if r.StatusCode != h.Status || r.ProtoAtLeast(1, 1) != (h.Version == message.HTTP11) {
		t.Fatalf("net/http reads %s %d, we %s %d", r.Proto, r.StatusCode, h.Version, h.Status)
	}
	chunked := len(r.TransferEncoding) == 1 && r.TransferEncoding[0] == "chunked"
	var want message.BodyKind
	switch {
	case head || h.Status < 200 || h.Status == 204 || h.Status == 304:
		want = message.NoBody
	case chunked:
		want = message.Chunked
	case r.ContentLength > 0:
		want = message.Sized
	case r.ContentLength < 0:
		want = message.UntilClose
	}
	if h.Body != want || want == message.Sized && r.ContentLength != h.ContentLength {
		t.Fatalf("net/http reads %v and length %d, we %d and %d", r.TransferEncoding, r.ContentLength, h.Body,
			h.ContentLength)
	}
	if r.Close && !h.Close {
		t.Fatal("net/http would close the connection, we would not")
	}
}

func FuzzChunkedBody(f *testing.F) {
	for _, s := range chunkedBodies {
		f.Add([]byte(s.in), uint16(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, cut uint16) {
		in := string(b)
		whole := readChunked(fuzzLimits, in)
		at := int(cut) % (len(in) + 1)
		for _, pieces := range [][]string{drips(in, 1), {in[:at], in[at:]}} {
			if got := readChunked(fuzzLimits, pieces...); !got.equal(whole) {
				t.Fatalf("in pieces %+v, whole %+v", got, whole)
			}
		}
		if whole.err != nil {
			var refused *Error
			if !errors.As(whole.err, &refused) && !errors.Is(whole.err, io.ErrUnexpectedEOF) {
				t.Fatalf("error %v", whole.err)
			}
			return
		}
		if !strings.HasSuffix(in, whole.rest) || len(whole.trailers) > fuzzLimits.HeadBytes {
			t.Fatalf("behind it %q, trailers %q", whole.rest, whole.trailers)
		}
		// Our own framing of it says the same.
		var again []byte
		for _, p := range drips(whole.body, 5) {
			if p != "" {
				again = appendChunk(again, []byte(p))
			}
		}
		wide := DefaultLimits()
		if got := readChunked(wide, string(again)+"0\r\n"+whole.trailers+"\r\n"+whole.rest); !got.equal(whole) {
			t.Fatalf("framed again %+v, at first %+v", got, whole)
		}
		// net/http reads the same body. It stops behind the last size line.
		if strings.Contains(in, " ;") || strings.Contains(in, "\t;") {
			return // it does not know the space that RFC 9112 section 7.1.1 wants understood before an extension
		}
		body, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(in)))
		if err != nil || string(body) != whole.body {
			t.Fatalf("net/http reads %q, %v; we %q", body, err, whole.body)
		}
	})
}
