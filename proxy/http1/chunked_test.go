package http1

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// outcome is what became of a body: its bytes, its trailers, what is left behind it, and the error.
type outcome struct {
	body, trailers, rest string
	err                  error
}

// readBody reads the body that h announces, and what is left on the connection.
func readBody(r *Reader, h *message.Head) outcome {
	var b Body
	var o outcome
	r.Body(&b, h)
	o.body, o.err = all(&b)
	if b.Ended() != (o.err == nil) {
		o.err = fmt.Errorf("Ended is %v after %w", b.Ended(), o.err)
	}
	if o.err != nil {
		if _, again := b.Next(); !errors.Is(again, o.err) {
			o.err = fmt.Errorf("%w first, %w then", o.err, again)
		}
		return o
	}
	if t := b.Trailers(); t != nil {
		o.trailers = string(t.AppendFields(nil, 0))
	}
	for {
		o.rest += string(r.Take())
		r.Done()
		if err := r.wait(); err != nil {
			return o
		}
	}
}

var chunkedHead = message.Head{Body: message.Chunked, ContentLength: -1}

// readChunked reads a chunked body that comes in these pieces.
func readChunked(lim Limits, pieces ...string) outcome {
	return readBody(reader(lim, pieces...), &chunkedHead)
}

// chunkedBodies is also what the fuzz target begins with.
var chunkedBodies = []struct {
	name string
	in   string
	want outcome
}{
	{"empty", "0\r\n\r\n", outcome{}},
	{"one", "5\r\nhello\r\n0\r\n\r\n", outcome{body: "hello"}},
	{"two, and more behind", "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET / HTTP/1.1\r\n",
		outcome{body: "hello, world", rest: "GET / HTTP/1.1\r\n"}},
	{"data that looks like framing", "9\r\n0\r\n\r\n5\r\nx\r\n0\r\n\r\n", outcome{body: "0\r\n\r\n5\r\nx"}},
	{"lower case", "a\r\n0123456789\r\n0\r\n\r\n", outcome{body: "0123456789"}},
	{"upper case", "A\r\n0123456789\r\n0\r\n\r\n", outcome{body: "0123456789"}},
	{"two digits", "1F\r\n" + strings.Repeat("x", 31) + "\r\n0\r\n\r\n", outcome{body: strings.Repeat("x", 31)}},
	{"leading zeros", "0005\r\nhello\r\n000\r\n\r\n", outcome{body: "hello"}},
	{"15 digits", "000000000000005\r\nhello\r\n000000000000000\r\n\r\n", outcome{body: "hello"}},
	{"16 digits", "0000000000000005\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"16 digits at the end", "0000000000000000\r\n\r\n", outcome{err: ErrChunkSize}},
	{"overflow", "10000000000000005\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"all bits", "ffffffffffffffff\r\n", outcome{err: ErrChunkSize}},
	{"the largest", "fffffffffffffff\r\nhello", outcome{body: "hello", err: io.ErrUnexpectedEOF}},
	{"0x", "0x5\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"plus", "+5\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"minus", "-5\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"minus zero", "-0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"no size", "\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"no digit", "g\r\n", outcome{err: ErrChunkSize}},
	{"underscore", "1_0\r\n", outcome{err: ErrChunkSize}},
	{"comma", "5,\r\nhello\r\n", outcome{err: ErrChunkSize}},
	{"space before", " 5\r\nhello\r\n", outcome{err: ErrChunkSize}},
	{"space behind", "5 \r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"space and digits", "5 5\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"tab and a word", "5\tx\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"vertical tab", "5\x0b\r\nhello\r\n", outcome{err: ErrChunkSize}},
	{"zero byte", "5\x00\r\nhello\r\n", outcome{err: ErrChunkSize}},
	{"bare LF behind the size", "5\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"bare CR behind the size", "5\rhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"two CRs", "5\r\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"bare LF behind the last size", "0\n\r\n", outcome{err: ErrChunkSize}},

	{"extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", outcome{body: "hello"}},
	{"extensions with space", "5 \t;a = b ; c\r\nhello\r\n0\r\n\r\n", outcome{body: "hello"}},
	{"empty extension", "5;\r\nhello\r\n0;\r\n\r\n", outcome{body: "hello"}},
	{"quoted extension", "5;a=\"b;c \\\" \\\\ \xff\"\r\nhello\r\n0\r\n\r\n", outcome{body: "hello"}},
	{"CRLF in quotes", "5;a=\"\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkExt}},
	{"escaped CRLF in quotes", "5;a=\"\\\r\nhello\"\r\n0\r\n\r\n", outcome{err: ErrChunkExt}},
	{"escaped quote", "5;a=\"\\\"\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkExt}},
	{"bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkExt}},
	{"bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkSize}},
	{"control byte in an extension", "5;a=\x01\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkExt}},
	{"DEL in an extension", "5;a=\x7f\r\nhello\r\n0\r\n\r\n", outcome{err: ErrChunkExt}},

	{"data too long", "5\r\nhello!\r\n0\r\n\r\n", outcome{body: "hello", err: ErrChunkEnd}},
	{"data too short", "6\r\nhello\r\n0\r\n\r\n", outcome{body: "hello\r", err: ErrChunkEnd}},
	{"one byte too many for the CR", "5\r\nhello!\n0\r\n\r\n", outcome{body: "hello", err: ErrChunkEnd}},
	{"LF behind the data", "5\r\nhello\n0\r\n\r\n", outcome{body: "hello", err: ErrChunkEnd}},
	{"CR behind the data", "5\r\nhello\r0\r\n\r\n", outcome{body: "hello", err: ErrChunkEnd}},
	{"nothing behind the data", "5\r\nhello0\r\n\r\n", outcome{body: "hello", err: ErrChunkEnd}},

	{"trailers", "1\r\nx\r\n0\r\nA: b\r\nc:  d\t\r\n\r\nrest",
		outcome{body: "x", trailers: "A: b\r\nc:  d\t\r\n", rest: "rest"}},
	{"forbidden trailers are not ours to drop", "0\r\nContent-Length: 5\r\n\r\n",
		outcome{trailers: "Content-Length: 5\r\n"}},
	{"folded trailer", "0\r\nA: b\r\n c\r\n\r\n", outcome{err: ErrFold}},
	{"space first", "0\r\n A: b\r\n\r\n", outcome{err: ErrFold}},
	{"trailer without a colon", "0\r\nA\r\n\r\n", outcome{err: ErrFieldName}},
	{"space before the colon", "0\r\nA : b\r\n\r\n", outcome{err: ErrFieldName}},
	{"bare LF in a trailer", "0\r\nA: b\n\r\n", outcome{err: ErrBareLF}},
	{"bare LF at the end", "0\r\n\n", outcome{err: ErrBareLF}},
	{"bare CR in a trailer", "0\r\nA: b\rc\r\n\r\n", outcome{err: ErrFieldValue}},
	{"CR before the end", "0\r\n\r\r\n\r\n", outcome{err: ErrFieldName}},
	{"control byte in a trailer", "0\r\nA: \x00\r\n\r\n", outcome{err: ErrFieldValue}},
	{"a request instead of trailers", "0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", outcome{err: ErrFieldName}},

	{"nothing", "", outcome{err: io.ErrUnexpectedEOF}},
	{"broken off in a size", "5", outcome{err: io.ErrUnexpectedEOF}},
	{"broken off behind a size", "5\r\n", outcome{err: io.ErrUnexpectedEOF}},
	{"broken off in data", "5\r\nhel", outcome{body: "hel", err: io.ErrUnexpectedEOF}},
	{"broken off behind data", "5\r\nhello", outcome{body: "hello", err: io.ErrUnexpectedEOF}},
	{"broken off before the end", "5\r\nhello\r\n", outcome{body: "hello", err: io.ErrUnexpectedEOF}},
	{"broken off in an extension", "5;a", outcome{err: io.ErrUnexpectedEOF}},
	{"broken off in the last line", "0\r\n\r", outcome{err: io.ErrUnexpectedEOF}},
	{"broken off in the trailers", "0\r\nA: b\r\n", outcome{err: io.ErrUnexpectedEOF}},
}

func (o outcome) equal(p outcome) bool {
	return o.body == p.body && o.trailers == p.trailers && o.rest == p.rest && errors.Is(o.err, p.err) &&
		(o.err == nil) == (p.err == nil)
}

// TestChunked: whole, cut at every place, and byte by byte: always the same.
func TestChunked(t *testing.T) {
	for _, tt := range chunkedBodies {
		t.Run(tt.name, func(t *testing.T) {
			for way, r := range ways(DefaultLimits(), tt.in) {
				if way == "early" && tt.in == "" {
					continue
				}
				if got := readBody(r, &chunkedHead); !got.equal(tt.want) {
					t.Errorf("%s: %+v, want %+v", way, got, tt.want)
				}
			}
			for i := range tt.in {
				if got := readChunked(DefaultLimits(), tt.in[:i], tt.in[i:]); !got.equal(tt.want) {
					t.Errorf("cut at %d: %+v, want %+v", i, got, tt.want)
				}
			}
		})
	}
}

// TestChunkedLimits: extensions are counted over the whole body, the trailer section is bounded as a head is.
func TestChunkedLimits(t *testing.T) {
	lim := Limits{HeadBytes: 100, LineBytes: 100, Fields: 3, ExtBytes: 20}
	ext := func(n int) string { return "1;" + strings.Repeat("e", n) + "\r\nx\r\n" }
	const end = "0\r\n\r\n"
	trailer := func(n int) string { return "0\r\nT: " + strings.Repeat("t", n-7) + "\r\n\r\n" }
	tests := []struct {
		name string
		in   string
		err  error
	}{
		{"extension at the limit", ext(20) + end, nil},
		{"extension over it", ext(21) + end, ErrChunkExt},
		{"extensions at the limit together", ext(7) + ext(7) + ext(6) + end, nil},
		{"extensions over it together", ext(7) + ext(7) + ext(7) + end, ErrChunkExt},
		{"on the last chunk", ext(20) + "0;e\r\n\r\n", ErrChunkExt},
		{"extension without an end", "1;" + strings.Repeat("e", 70000), ErrChunkExt},
		{"space without an end", "1" + strings.Repeat(" ", 70000), ErrChunkExt},
		{"trailers at the limit", trailer(100), nil},
		{"trailers over it", trailer(101), ErrHeadTooLarge},
		{"a trailer without an end", trailer(70000)[:69000], ErrHeadTooLarge},
		{"as many trailers as may be", "0\r\n" + strings.Repeat("T: t\r\n", 3) + "\r\n", nil},
		{"one too many", "0\r\n" + strings.Repeat("T: t\r\n", 4) + "\r\n", ErrFieldCount},
		{"short ones without an end", "0\r\n" + strings.Repeat("T:\r\n", 30), ErrHeadTooLarge},
	}
	for _, tt := range tests {
		for way, r := range ways(lim, tt.in) {
			got := readBody(r, &chunkedHead)
			wantError(t, tt.name+", "+way, got.err, tt.err)
		}
	}
	wide := DefaultLimits()
	if got := readChunked(wide, "1;"+strings.Repeat("e", 16384)+"\r\nx\r\n0\r\n\r\n"); got.err != nil {
		t.Errorf("16 KiB of extensions: %v", got.err)
	}
	if got := readChunked(wide, "1;"+strings.Repeat("e", 16385)+"\r\nx\r\n0\r\n\r\n"); !errors.Is(got.err,
		ErrChunkExt) {
		t.Errorf("more than 16 KiB of extensions: %v", got.err)
	}
}

// TestChunkedLarge: bodies larger than the buffers, in chunks of many sizes.
func TestChunkedLarge(t *testing.T) {
	var in, want strings.Builder
	for i := range 160 {
		data := strings.Repeat(string(rune('a'+i%26)), 1+i*i%5003)
		if i%50 == 0 {
			data = strings.Repeat("L", 100_000+i)
		}
		fmt.Fprintf(&in, "%x\r\n%s\r\n", len(data), data)
		want.WriteString(data)
	}
	in.WriteString("0\r\nT: v\r\n\r\nrest")
	for _, size := range []int{1, 7, 1460, 16384, 65536, in.Len()} {
		got := readChunked(DefaultLimits(), drips(in.String(), size)...)
		if !got.equal(outcome{body: want.String(), trailers: "T: v\r\n", rest: "rest"}) {
			t.Errorf("in pieces of %d: %d bytes, trailers %q, rest %q, %v", size, len(got.body), got.trailers, got.rest,
				got.err)
		}
	}
}

func TestHexDigit(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte("0123456789abcdef", strings.ToLower(string(rune(c)))[0])
		if c >= 0x80 {
			want = -1
		}
		got := int(hexDigit(byte(c)))
		if want >= 0 && got != want || want < 0 && got < 16 {
			t.Errorf("hexDigit(%q) = %d", byte(c), got)
		}
	}
}
