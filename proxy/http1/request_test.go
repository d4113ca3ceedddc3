package http1

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// readRequest reads one request in every way, see readEveryWay.
func readRequest(t *testing.T, lim Limits, in string) (said string, err error) {
	t.Helper()
	return readEveryWay(t, lim, in, (*Reader).ReadRequest)
}

// readEveryWay reads one head in every way, holds that all say the same, and returns that.
func readEveryWay(t *testing.T, lim Limits, in string, read func(*Reader, *message.Head) error) (
	said string, err error,
) {
	t.Helper()
	for i, way := range []string{"early", "whole", "bytes", "threes", "packets"} {
		var h message.Head
		e := read(ways(lim, in)[way], &h)
		s := ""
		if e == nil {
			s = describe(&h) + "\n" + fieldsOf(&h)
		}
		if i == 0 {
			said, err = s, e
		} else if s != said || !errors.Is(e, err) {
			t.Errorf("%.60q: %s says %q, %v; in one piece %q, %v", in, way, s, e, said, err)
		}
	}
	said, _, _ = strings.Cut(said, "\n")
	return said, err
}

// TestRequestLine: each row is a first line, which a Host field follows.
func TestRequestLine(t *testing.T) {
	tests := []struct {
		line string
		want string // what the head says; or
		err  error
	}{
		{line: "GET / HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=/ authority=h path=/"},
		{line: "GET /a/b?c=d HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=/a/b?c=d authority=h path=/a/b " +
			"query=c=d"},
		{line: "GET /? HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=/? authority=h path=/ query="},
		{line: "GET /a?b?c HTTP/1.1",
			want: "HTTP/1.1 body=none method=GET target=/a?b?c authority=h path=/a query=b?c"},
		{line: "GET //x/../y%2f%zz\xff\\ HTTP/1.1",
			want: "HTTP/1.1 body=none method=GET target=//x/../y%2f%zz\xff\\ authority=h path=//x/../y%2f%zz\xff\\"},
		{line: "get / HTTP/1.1", want: "HTTP/1.1 body=none method=get target=/ authority=h path=/"},
		{line: "M-SEARCH!#$%&'*+.^_`|~0 / HTTP/1.1",
			want: "HTTP/1.1 body=none method=M-SEARCH!#$%&'*+.^_`|~0 target=/ authority=h path=/"},
		{line: "GET / HTTP/1.0", want: "HTTP/1.0 body=none method=GET target=/ authority=h path=/ close"},
		{line: "OPTIONS * HTTP/1.1", want: "HTTP/1.1 body=none method=OPTIONS target=* authority=h path=*"},
		{line: "CONNECT h:443 HTTP/1.1", want: "HTTP/1.1 body=none method=CONNECT target=h:443 authority=h:443"},
		{line: "GET http://h/a?b HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=http://h/a?b scheme=http " +
			"authority=h path=/a query=b"},
		{line: "GET HTTPS://H HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=HTTPS://H scheme=HTTPS " +
			"authority=H path="},
		{line: "OPTIONS http://h HTTP/1.1", want: "HTTP/1.1 body=none method=OPTIONS target=http://h scheme=http " +
			"authority=h path="},
		{line: "GET http://h?a=b HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=http://h?a=b scheme=http " +
			"authority=h path= query=a=b"},
		{line: "GET http://h/http://other/ HTTP/1.1",
			want: "HTTP/1.1 body=none method=GET target=http://h/http://other/ scheme=http authority=h " +
				"path=/http://other/"},

		{line: "GET http://other/ HTTP/1.1", err: ErrTargetHost},
		{line: "GET http://h:80/ HTTP/1.1", err: ErrTargetHost},
		{line: "GET http://user@h/ HTTP/1.1", err: ErrTarget},
		{line: "GET http://user:pw@h/ HTTP/1.1", err: ErrTarget},
		{line: "GET http://h@h/ HTTP/1.1", err: ErrTarget},
		{line: "GET http:///a HTTP/1.1", err: ErrTarget},
		{line: "GET http://?a HTTP/1.1", err: ErrTarget},
		{line: "GET http:/h/ HTTP/1.1", err: ErrTarget},
		{line: "GET http:h HTTP/1.1", err: ErrTarget},
		{line: "GET ftp://h/ HTTP/1.1", err: ErrTarget},
		{line: "GET ://h/ HTTP/1.1", err: ErrTarget},
		{line: "GET http://h\\a/ HTTP/1.1", err: ErrTarget},
		{line: "GET h HTTP/1.1", err: ErrTarget},
		{line: "GET h:80 HTTP/1.1", err: ErrTarget},
		{line: "GET a/b HTTP/1.1", err: ErrTarget},
		{line: "GET ?a HTTP/1.1", err: ErrTarget},
		{line: "GET * HTTP/1.1", err: ErrTarget},
		{line: "options * HTTP/1.1", err: ErrTarget},
		{line: "OPTIONS ** HTTP/1.1", err: ErrTarget},
		{line: "GET /a#b HTTP/1.1", err: ErrTarget},
		{line: "GET /\x00 HTTP/1.1", err: ErrTarget},
		{line: "GET /\x0b HTTP/1.1", err: ErrTarget},
		{line: "GET /\x7f HTTP/1.1", err: ErrTarget},
		{line: "GET /\ta HTTP/1.1", err: ErrTarget},
		{line: "GET /\r HTTP/1.1", err: ErrTarget},
		{line: "GET  HTTP/1.1", err: ErrTarget},
		{line: "CONNECT  HTTP/1.1", err: ErrTarget},

		{line: "GET  / HTTP/1.1", err: ErrVersion},
		{line: "GET /  HTTP/1.1", err: ErrVersion},
		{line: "GET /a b HTTP/1.1", err: ErrVersion},
		{line: "GET / HTTP/1.1 ", err: ErrVersion},
		{line: "GET / HTTP/1.1\r", err: ErrVersion},
		{line: "GET / HTTP/1.1\t", err: ErrVersion},
		{line: "GET / http/1.1", err: ErrVersion},
		{line: "GET / HTTP/11", err: ErrVersion},
		{line: "GET / HTTP/1.10", err: ErrVersion},
		{line: "GET / HTTP/01.1", err: ErrVersion},
		{line: "GET / HTTP/1,1", err: ErrVersion},
		{line: "GET / HTTP/a.1", err: ErrVersion},
		{line: "GET / HTTP/1.+", err: ErrVersion},
		{line: "GET / HTTPS/1.1", err: ErrVersion},
		{line: "GET / ", err: ErrVersion},
		{line: "GET / HTTP/0.9", err: ErrVersionUnknown},
		{line: "GET / HTTP/1.2", err: ErrVersionUnknown},
		{line: "GET / HTTP/2.0", err: ErrVersionUnknown},
		{line: "PRI * HTTP/2.0", err: ErrVersionUnknown},

		{line: "GET /", err: ErrRequestLine},
		{line: "GET", err: ErrRequestLine},
		{line: "GET\t/\tHTTP/1.1", err: ErrRequestLine},
		{line: "G\x00T / HTTP/1.1", err: ErrMethod},
		{line: "G(T / HTTP/1.1", err: ErrMethod},
		{line: "GET: / HTTP/1.1", err: ErrMethod},
		{line: "GET\r / HTTP/1.1", err: ErrMethod},
		{line: " GET / HTTP/1.1", err: ErrMethod},
		{line: "\tGET / HTTP/1.1", err: ErrMethod},
		{line: "\x16\x03\x01\x02\x00\x01", err: ErrMethod},
		{line: "\"GET\" / HTTP/1.1", err: ErrMethod},
		{line: "\r\nGET / HTTP/1.1", want: "HTTP/1.1 body=none method=GET target=/ authority=h path=/"},
		// one empty line is skipped
		{line: "\r\n\r\nGET / HTTP/1.1", err: ErrMethod},
		{line: "\nGET / HTTP/1.1", err: ErrMethod},
		{line: "\rGET / HTTP/1.1", err: ErrRequestLine},
		{line: "\r\r\nGET / HTTP/1.1", err: ErrRequestLine},
		{line: "GET / HTTP/1.1\nX: y", err: ErrBareLF},
	}
	for _, tt := range tests {
		got, err := readRequest(t, DefaultLimits(), tt.line+"\r\nHost: h\r\n\r\n")
		wantError(t, tt.line, err, tt.err)
		if got != tt.want {
			t.Errorf("%q says %q, want %q", tt.line, got, tt.want)
		}
	}
}

// TestRequestFields: each row is what follows the line of a POST.
func TestRequestFields(t *testing.T) {
	const plain = "HTTP/1.1 body=none method=POST target=/ authority=h path=/"
	const host = "Host: h\r\n"
	tests := []struct {
		fields string
		want   string // behind plain, with body=none replaced when it begins with a body; or
		err    error
	}{
		{fields: host},
		{fields: "host:h\r\n"},
		{fields: "HOST: \t h \t\r\n"},
		{fields: host + "X:\r\nY: \r\nZ:\t\r\n"},
		{fields: host + "X: a\tb \x80\xff\r\n"},
		{fields: "!#$%&'*+-.^_`|~09Az: x\r\n" + host},

		// Line ends.
		{fields: host + "X: a\n", err: ErrBareLF},
		{fields: "Host: h\nX: a\r\n", err: ErrBareLF},
		{fields: host + "X: a\n\r\n", err: ErrBareLF},
		{fields: host + "\nX: a\r\n", err: ErrBareLF},
		{fields: host + "X: a\rb\r\n", err: ErrFieldValue},
		{fields: host + "X: a\r\r\n", err: ErrFieldValue},
		{fields: host + "X: a\r \r\n", err: ErrFieldValue},
		{fields: host + "X:\r\r\n", err: ErrFieldValue},
		{fields: host + "X: a\rContent-Length: 5\r\n", err: ErrFieldValue},
		{fields: host + "\rX: a\r\n", err: ErrFieldName},
		{fields: host + "\r\r\n", err: ErrFieldName},

		// Folding.
		{fields: host + "X: a\r\n b\r\n", err: ErrFold},
		{fields: host + "X: a\r\n\tb: c\r\n", err: ErrFold},
		{fields: host + "X: a\r\n \r\n", err: ErrFold},
		{fields: " X: a\r\n" + host, err: ErrFold},
		{fields: " \r\n" + host, err: ErrFold},

		// Names.
		{fields: host + "X : a\r\n", err: ErrFieldName},
		{fields: host + "X\t: a\r\n", err: ErrFieldName},
		{fields: host + "Content-Length : 5\r\n", err: ErrFieldName},
		{fields: host + "Transfer-Encoding : chunked\r\n", err: ErrFieldName},
		{fields: host + ": a\r\n", err: ErrFieldName},
		{fields: host + ":\r\n", err: ErrFieldName},
		{fields: host + "X\r\n", err: ErrFieldName},
		{fields: host + "X Y: a\r\n", err: ErrFieldName},
		{fields: host + "X(: a\r\n", err: ErrFieldName},
		{fields: host + "X\x00: a\r\n", err: ErrFieldName},
		{fields: host + "X\x0b: a\r\n", err: ErrFieldName},
		{fields: host + "X\x80: a\r\n", err: ErrFieldName},
		{fields: host + "\"X\": a\r\n", err: ErrFieldName},
		{fields: host + "X\x7f: a\r\n", err: ErrFieldName},

		// Values.
		{fields: host + "X: \x00\r\n", err: ErrFieldValue},
		{fields: host + "X: a\x01b\r\n", err: ErrFieldValue},
		{fields: host + "X: a\x0b\r\n", err: ErrFieldValue},
		{fields: host + "X: \x0ca\r\n", err: ErrFieldValue},
		{fields: host + "X: \x1f\r\n", err: ErrFieldValue},
		{fields: host + "X: \x7f\r\n", err: ErrFieldValue},

		// Host.
		{fields: "X: a\r\n", err: ErrHostMissing},
		{fields: "", err: ErrHostMissing},
		{fields: host + host, err: ErrHostRepeated},
		{fields: host + "host: other\r\n", err: ErrHostRepeated},
		{fields: "Host:\r\n", err: ErrHost},
		{fields: "Host: a b\r\n", err: ErrHost},
		{fields: "Host: a,b\r\n", err: ErrHost},
		{fields: "Host: user@a\r\n", err: ErrHost},
		{fields: "Host: a/b\r\n", err: ErrHost},
		{fields: "Host: http://a\r\n", err: ErrHost},
		{fields: "Host: a:b\r\n", err: ErrHost},
		{fields: "Host: [::1\r\n", err: ErrHost},
		{fields: "Host: b\xc3\xbccher\r\n", err: ErrHost},

		// Transfer-Encoding.
		{fields: host + "Transfer-Encoding: chunked\r\n", want: "chunked"},
		{fields: host + "transfer-encoding:CHUNKED\t\r\n", want: "chunked"},
		{fields: host + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", err: ErrLengthAndTE},
		{fields: host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", err: ErrLengthAndTE},
		{fields: host + "Content-Length: 0\r\nTransfer-Encoding: identity\r\n", err: ErrLengthAndTE},
		{fields: host + "Content-Length: \r\nTransfer-Encoding: chunked\r\n", err: ErrLengthAndTE},
		{fields: host + "Transfer-Encoding: chunked, chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: gzip, chunked\r\n", err: ErrTEUnknown},
		{fields: host + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", err: ErrTEUnknown},
		{fields: host + "Transfer-Encoding: gzip, deflate\r\nTransfer-Encoding: br, Chunked\r\n", err: ErrTEUnknown},
		{fields: host + "Transfer-Encoding: gzip, chunked, chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked, gzip, chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked, gzip\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: gzip\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: xchunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunkedx\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: identity\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: identity, chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked, identity\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked;x\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked; x=y\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: gzip;q=1, chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked x\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: \"chunked\"\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: 'chunked'\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding:\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: ,\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: ,chunked\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked,\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chunked\xa0\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding: chun\xaaed\r\n", err: ErrTE},
		{fields: host + "Transfer-Encoding:\x0bchunked\r\n", err: ErrFieldValue},
		{fields: host + "Transfer-Encoding: chunked\x0b\r\n", err: ErrFieldValue},
		{fields: host + "Transfer-Encoding\x0b: chunked\r\n", err: ErrFieldName},
		{fields: host + "Transfer-Encoding:\r\n chunked\r\n", err: ErrFold},
		{fields: host + "Transfer_Encoding: chunked\r\n"},

		// Content-Length.
		{fields: host + "Content-Length: 5\r\n", want: "sized length=5"},
		{fields: host + "content-length:0\r\n", want: "none length=0"},
		{fields: host + "Content-Length: 0005 \r\n", want: "sized length=5"},
		{fields: host + "Content-Length: 999999999999999999\r\n", want: "sized length=999999999999999999"},
		{fields: host + "Content-Length: 1000000000000000000\r\n", err: ErrLength},
		{fields: host + "Content-Length: 9223372036854775808\r\n", err: ErrLength},
		{fields: host + "Content-Length: 18446744073709551621\r\n", err: ErrLength},
		{fields: host + "Content-Length: " + strings.Repeat("0", 40) + "5\r\n", err: ErrLength},
		{fields: host + "Content-Length: 5\r\nContent-Length: 5\r\n", err: ErrLengthRepeated},
		{fields: host + "Content-Length: 5\r\nContent-Length: 6\r\n", err: ErrLengthRepeated},
		{fields: host + "Content-Length: 5\r\ncontent-length:\r\n", err: ErrLengthRepeated},
		{fields: host + "Content-Length: 5, 5\r\n", err: ErrLength},
		{fields: host + "Content-Length: 5,\r\n", err: ErrLength},
		{fields: host + "Content-Length:\r\n", err: ErrLength},
		{fields: host + "Content-Length: +5\r\n", err: ErrLength},
		{fields: host + "Content-Length: -5\r\n", err: ErrLength},
		{fields: host + "Content-Length: 5 5\r\n", err: ErrLength},
		{fields: host + "Content-Length: 0x5\r\n", err: ErrLength},
		{fields: host + "Content-Length: 5.0\r\n", err: ErrLength},
		{fields: host + "Content-Length: 1e1\r\n", err: ErrLength},
		{fields: host + "Content-Length: \"5\"\r\n", err: ErrLength},
		{fields: host + "Content-Length: five\r\n", err: ErrLength},
		{fields: host + "Content-Length: \xb2\r\n", err: ErrLength},
		{fields: host + "Content-Length: 5\x00\r\n", err: ErrFieldValue},

		// Connection, Upgrade, Expect, TE.
		{fields: host + "Connection: close\r\n", want: " close"},
		{fields: host + "Connection: keep-alive\r\nConnection: x, Close\r\n", want: " close"},
		{fields: host + "Connection: keep-alive\r\n"},
		{fields: host + "Connection: Upgrade\r\nUpgrade: websocket\r\n", want: " upgrade=websocket"},
		{fields: host + "Connection: x, upgrade\r\nUpgrade: a/1, b\r\n", want: " upgrade=a/1, b"},
		{fields: host + "Connection: upgrade\r\n"},
		{fields: host + "Upgrade: websocket\r\n"},
		{fields: host + "Connection: Host\r\n", err: ErrConnection},
		{fields: host + "Connection: x, content-length\r\nContent-Length: 5\r\n", err: ErrConnection},
		{fields: host + "Connection: a b\r\n", err: ErrConnection},
		{fields: host + "Connection: " + strings.Repeat("a,", 200) + "\r\n", err: ErrConnection},
		{fields: host + "Expect: 100-continue\r\nContent-Length: 5\r\n", want: "sized length=5 expect"},
		{fields: host + "expect: 100-Continue\r\n", want: " expect"},
		{fields: host + "Expect: 100\r\n", err: ErrExpect},
		{fields: host + "Expect:\r\n", err: ErrExpect},
		{fields: host + "Expect: 100-continue\r\nExpect: 100-continue\r\n", err: ErrExpect},
		{fields: host + "Expect: 100-continue, x\r\n", err: ErrExpect},
		{fields: host + "TE: gzip, Trailers\r\n", want: " trailers"},
		{fields: host + "TE: gzip\r\n"},
	}
	for _, tt := range tests {
		got, err := readRequest(t, DefaultLimits(), "POST / HTTP/1.1\r\n"+tt.fields+"\r\n")
		wantError(t, tt.fields, err, tt.err)
		want := plain + tt.want
		if framing, rest, _ := strings.Cut(tt.want, " "); framing != "" {
			if strings.HasPrefix(rest, "length=") {
				length, more, _ := strings.Cut(rest, " ")
				framing += " " + length
				if rest = ""; more != "" {
					rest = " " + more
				}
			}
			want = strings.Replace(plain, "body=none", "body="+framing, 1) + rest
		}
		if tt.err == nil && got != want {
			t.Errorf("%q says %q, want %q", tt.fields, got, want)
		}
	}
}

func TestRequestHTTP10(t *testing.T) {
	tests := []struct {
		fields string
		want   string
		err    error
	}{
		{fields: "", want: "HTTP/1.0 body=none method=GET target=/ path=/ close"},
		{fields: "Host: h\r\n", want: "HTTP/1.0 body=none method=GET target=/ authority=h path=/ close"},
		{fields: "Connection: keep-alive\r\n", want: "HTTP/1.0 body=none method=GET target=/ path=/"},
		{fields: "Connection: keep-alive, close\r\n", want: "HTTP/1.0 body=none method=GET target=/ path=/ close"},
		{fields: "Content-Length: 3\r\n", want: "HTTP/1.0 body=sized length=3 method=GET target=/ path=/ close"},
		{fields: "Expect: 100-continue\r\n", want: "HTTP/1.0 body=none method=GET target=/ path=/ close"},
		{fields: "TE: trailers\r\n", want: "HTTP/1.0 body=none method=GET target=/ path=/ close"},
		{fields: "Connection: Upgrade\r\nUpgrade: websocket\r\n",
			want: "HTTP/1.0 body=none method=GET target=/ path=/ close"},
		{fields: "Host: h\r\nHost: h\r\n", err: ErrHostRepeated},
		{fields: "Host: a b\r\n", err: ErrHost},
		{fields: "Transfer-Encoding: chunked\r\n", err: ErrTEVersion},
		{fields: "Transfer-Encoding: identity\r\n", err: ErrTEVersion},
		{fields: "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", err: ErrLengthAndTE},
	}
	for _, tt := range tests {
		got, err := readRequest(t, DefaultLimits(), "GET / HTTP/1.0\r\n"+tt.fields+"\r\n")
		wantError(t, tt.fields, err, tt.err)
		if got != tt.want {
			t.Errorf("%q says %q, want %q", tt.fields, got, tt.want)
		}
	}
}

// TestRequestLimits: the bounds are exact, however the bytes come.
func TestRequestLimits(t *testing.T) {
	lim := Limits{HeadBytes: 600, LineBytes: 100, Fields: 10, ExtBytes: 10}
	line := func(n int) string { // a request line of n bytes
		const around = len("GET / HTTP/1.1")
		return "GET /" + strings.Repeat("a", n-around) + " HTTP/1.1\r\n"
	}
	head := func(n int) string { // a head of n bytes
		s := "GET / HTTP/1.1\r\nHost: h\r\nX: "
		return s + strings.Repeat("x", n-len(s)-4) + "\r\n\r\n"
	}
	fields := func(n int) string {
		return "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", n-1) + "\r\n"
	}
	tests := []struct {
		name string
		in   string
		err  *Error
	}{
		{"line at the limit", line(100) + "Host: h\r\n\r\n", nil},
		{"line over it", line(101) + "Host: h\r\n\r\n", ErrLineTooLong},
		{"line far over it", line(5000) + "Host: h\r\n\r\n", ErrLineTooLong},
		{"line without an end", "GET /" + strings.Repeat("a", 5000), ErrLineTooLong},
		{"method without an end", strings.Repeat("a", 5000), ErrLineTooLong},
		{"head at the limit", head(600), nil},
		{"head over it", head(601), ErrHeadTooLarge},
		{"head far over it", head(70000), ErrHeadTooLarge},
		{"head without an end", head(70000)[:69000], ErrHeadTooLarge},
		{"head without an end, by little", head(602)[:600], ErrHeadTooLarge},
		{"fields at the limit", fields(10), nil},
		{"fields over it", fields(11), ErrFieldCount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readRequest(t, lim, tt.in)
			if tt.err == nil {
				wantError(t, tt.name, err, nil)
				return
			}
			wantError(t, tt.name, err, tt.err)
		})
	}
	for _, e := range []*Error{ErrLineTooLong, ErrHeadTooLarge, ErrFieldCount} {
		if want := map[*Error]int{ErrLineTooLong: 414, ErrHeadTooLarge: 431, ErrFieldCount: 431}[e]; e.Status != want {
			t.Errorf("%v has status %d, want %d", e, e.Status, want)
		}
	}
}

// TestDefaultLimits: those of the contract.
func TestDefaultLimits(t *testing.T) {
	if want := (Limits{HeadBytes: 65536, LineBytes: 16384, Fields: 200, ExtBytes: 16384}); DefaultLimits() != want {
		t.Errorf("DefaultLimits = %+v, want %+v", DefaultLimits(), want)
	}
	lim := DefaultLimits()
	const start, end = "GET / HTTP/1.1\r\nHost: h\r\nX: ", "\r\n\r\n"
	for _, n := range []int{16383, 16384, 16385, 65535, 65536} { // around the sizes of the buffers
		in := start + strings.Repeat("x", n-len(start)-len(end)) + end
		if _, err := readRequest(t, lim, in); err != nil {
			t.Errorf("a head of %d bytes: %v", n, err)
		}
		if _, err := readRequest(t, lim, in+"GET /next HTTP/1.1\r\n"); err != nil {
			t.Errorf("a head of %d bytes and more: %v", n, err)
		}
	}
	if _, err := readRequest(t, lim, start+strings.Repeat("x", 65536)+end); !errors.Is(err, ErrHeadTooLarge) {
		t.Errorf("a head over 64 KiB: %v", err)
	}
}

func TestStatuses(t *testing.T) {
	for e, want := range map[*Error]int{ErrTEUnknown: 501, ErrVersionUnknown: 505, ErrVersion: 400, ErrExpect: 417,
		ErrStatusLine: 502, ErrTE: 400, ErrTEVersion: 400, ErrLengthRepeated: 400, ErrBareLF: 400} {
		if e.Status != want || e.Error() == "" {
			t.Errorf("%q has status %d, want %d", e.Error(), e.Status, want)
		}
	}
}

// TestRequestBreaksOff: a connection that ends before the first byte is EOF, one that ends later is unexpected.
func TestRequestBreaksOff(t *testing.T) {
	const in = "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"
	for n := range len(in) {
		want := io.ErrUnexpectedEOF
		if n == 0 || n == 2 {
			want = io.EOF
		}
		for way, r := range ways(DefaultLimits(), in[:n]) {
			if way == "early" && n == 0 {
				continue // nothing is not early
			}
			var h message.Head
			if err := r.ReadRequest(&h); !errors.Is(err, want) {
				t.Errorf("%d bytes %s: %v, want %v", n, way, err, want)
			}
		}
	}
}

// TestRequestFieldsKept: order, case, duplicates and bytes of the fields stay, and what Connection names is marked.
func TestRequestFieldsKept(t *testing.T) {
	const lines = "X-B: 1\r\nHost: h\r\nx-b:  2\t\r\nCookie:c\r\nX-a:\r\n"
	var h message.Head
	if err := reader(DefaultLimits(), "GET / HTTP/1.1\r\n"+lines+
		"Connection: X-B\r\n\r\n").ReadRequest(&h); err != nil {
		t.Fatal(err)
	}
	if got := h.AppendFields(nil, message.Of(message.Connection)); string(got) != "Host: h\r\nCookie:c\r\nX-a:\r\n" {
		t.Errorf("without what Connection names: %q", got)
	}
	for i := range h.Fields {
		h.Fields[i].Hop = false
	}
	if got := h.AppendFields(nil, message.Of(message.Connection)); string(got) != lines {
		t.Errorf("kept %q, want %q", got, lines)
	}
}

// TestPipelining: many requests in one stream come out in order, however they are cut, and with a body that is not read
// nothing is lost.
func TestPipelining(t *testing.T) {
	var in, want []string
	for i := range 60 {
		name := strings.Repeat("n", i*40)
		in = append(in, "POST /"+name+" HTTP/1.1\r\nHost: h\r\nContent-Length: "+[]string{"0", "3"}[i%2]+"\r\n\r\n"+
			[]string{"", "abc"}[i%2])
		want = append(want, "/"+name)
	}
	for way, r := range ways(DefaultLimits(), strings.Join(in, "")) {
		var got []string
		var h message.Head
		var b Body
		for {
			err := r.ReadRequest(&h)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s, request %d: %v", way, len(got), err)
			}
			got = append(got, string(h.Target))
			r.Body(&b, &h)
			for err = nil; err == nil; {
				_, err = b.Next()
			}
			if !errors.Is(err, io.EOF) {
				t.Fatalf("%s, body %d: %v", way, len(got), err)
			}
			h.Reset()
			r.Done()
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d requests came out, want %d in order", way, len(got), len(want))
		}
	}
}
