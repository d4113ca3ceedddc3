package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

func TestSizedBody(t *testing.T) {
	for _, size := range []int{1, 5, 4095, 4096, 16383, 16384, 16385, 65535, 65536, 65537, 150_000} {
		want := strings.Repeat("0123456789", size/10+1)[:size]
		h := message.Head{Body: message.Sized, ContentLength: int64(size)}
		for way, r := range ways(DefaultLimits(), want+"rest") {
			if got := readBody(r, &h); !got.equal(outcome{body: want, rest: "rest"}) {
				t.Errorf("%d bytes %s: %d bytes, rest %q, %v", size, way, len(got.body), got.rest, got.err)
			}
		}
		for way, r := range ways(DefaultLimits(), want[:size-1]) {
			if way == "early" && size == 1 {
				continue
			}
			if got := readBody(r, &h); !got.equal(outcome{body: want[:size-1], err: io.ErrUnexpectedEOF}) {
				t.Errorf("%d bytes less one %s: %d bytes, %v", size, way, len(got.body), got.err)
			}
		}
	}
}

func TestBodyUntilClose(t *testing.T) {
	h := message.Head{Body: message.UntilClose, ContentLength: -1}
	for _, in := range []string{"", "x", "0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 100_000)} {
		for way, r := range ways(DefaultLimits(), in) {
			if way == "early" && in == "" {
				continue
			}
			if got := readBody(r, &h); !got.equal(outcome{body: in}) {
				t.Errorf("%d bytes %s: %d bytes, %v", len(in), way, len(got.body), got.err)
			}
		}
	}
}

// TestNoBody: a message without one leaves all that came behind its head.
func TestNoBody(t *testing.T) {
	for way, r := range ways(DefaultLimits(), "GET /next") {
		if got := readBody(r, &message.Head{}); !got.equal(outcome{rest: "GET /next"}) {
			t.Errorf("%s: %+v", way, got)
		}
	}
	var b Body // the zero value is an empty one
	if _, err := b.Next(); !errors.Is(err, io.EOF) || !b.Ended() || !b.Ready() || b.Trailers() != nil {
		t.Error("the zero Body is not an empty one")
	}
}

// TestReady: Ready says whether Next reads from the connection, neither more nor less.
func TestReady(t *testing.T) {
	tests := []struct {
		name   string
		h      message.Head
		pieces []string // Next must need one read for each but the first, and none in between
	}{
		{"sized", message.Head{Body: message.Sized, ContentLength: 6}, []string{"ab", "cd", "ef"}},
		{"until close", message.Head{Body: message.UntilClose}, []string{"ab", "cd"}},
		{"chunked", chunkedHead, []string{"2\r\nab\r\n2\r\nc", "d\r\n1\r\n", "x\r", "\n0\r\n", "\r\n"}},
		{"framing alone", chunkedHead, []string{"0", "0", "5;", "a=b", "\r", "\nhello", "\r\n0\r\nT: ", "x\r\n", "\r",
			"\n"}},
		{"chunked and wrong", chunkedHead, []string{"2\r\nab", "x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := reader(DefaultLimits(), tt.pieces[1:]...)
			s := r.Conn.Conn.(*script)
			first := early(DefaultLimits(), tt.pieces[0])
			r.cur, r.w = first.cur, first.w
			var b Body
			r.Body(&b, &tt.h)
			for {
				ready, left, ended := b.Ready(), len(strings.Join(s.pieces, "")), b.Ended()
				_, err := b.Next()
				now := len(strings.Join(s.pieces, ""))
				if ready != (now == left) && (err == nil || ended) {
					t.Errorf("Ready said %v, then Next read %d bytes", ready, left-now)
				}
				if err != nil {
					if !ready && left == now && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("Ready said false before %v", err)
					}
					break
				}
			}
			if left := strings.Join(s.pieces, ""); left != "" {
				t.Errorf("%q was not read", left)
			}
		})
	}
}

// TestHeadStays: while a body is read, however long and however it comes, the head keeps its bytes, and so does its
// buffer.
func TestHeadStays(t *testing.T) {
	body := strings.Repeat("0123456789", 9_000)
	var chunks bytes.Buffer
	for _, p := range drips(body, 9_999) {
		chunks.Write(appendChunk(nil, []byte(p)))
	}
	chunks.WriteString("0\r\n\r\n")
	for _, size := range []int{100, 4_097, 8_000, 8_192, 8_193, 16_385, 65_000, 65_536} {
		for _, chunked := range []bool{false, true} {
			head := "POST /target HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\nX: "
			in := body
			if chunked {
				head = "POST /target HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: "
				in = chunks.String()
			}
			head += strings.Repeat("x", size-len(head)-4) + "\r\n\r\n"
			for way, r := range ways(DefaultLimits(), head+in+"rest") {
				if way == "bytes" || way == "threes" {
					continue // slow, and no other buffers
				}
				var h message.Head
				if err := r.ReadRequest(&h); err != nil {
					t.Fatalf("%d %s: %v", size, way, err)
				}
				before := describe(&h) + fieldsOf(&h)
				var b Body
				r.Body(&b, &h)
				got, err := all(&b)
				if got != body || err != nil {
					t.Errorf("%d %s: %d bytes of the body, %v", size, way, len(got), err)
				}
				if after := describe(&h) + fieldsOf(&h); after != before || string(h.Buf) != head {
					t.Errorf("%d %s: the head has changed", size, way)
				}
				rest := string(r.Take())
				for len(rest) < 4 {
					if err := r.fill(); err != nil {
						t.Fatal(err)
					}
					rest += string(r.Take())
				}
				if rest != "rest" {
					t.Errorf("%d %s: behind it %q", size, way, rest)
				}
				r.Done()
				if r.cur != nil || r.head != nil {
					t.Errorf("%d %s: buffers are held after Done", size, way)
				}
			}
		}
	}
}
