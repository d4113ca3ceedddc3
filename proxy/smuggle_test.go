package proxy_test

import (
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// What two readers could understand in two ways is refused. Nothing of it reaches the endpoint, and nothing behind it
// is read.
func TestAmbiguousRequestsGoNowhere(t *testing.T) {
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	fields := func(f string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + f + "\r\n" }
	rows := []struct {
		name, request string
		want          int
	}{
		{"CL.CL", fields("Content-Length: 5\r\nContent-Length: 0\r\n") + "hello", 400},
		{"CL.CL equal", fields("Content-Length: 0\r\nContent-Length: 0\r\n"), 400},
		{"CL list", fields("Content-Length: 0, 5\r\n"), 400},
		{"CL equal list", fields("Content-Length: 0, 0\r\n"), 400},
		{"CL empty", fields("Content-Length:\r\n"), 400},
		{"CL signed", fields("Content-Length: +0\r\n"), 400},
		{"CL negative", fields("Content-Length: -1\r\n"), 400},
		{"CL hex", fields("Content-Length: 0x0\r\n"), 400},
		{"CL with an inner space", fields("Content-Length: 1 0\r\n"), 400},
		{"CL with a fraction", fields("Content-Length: 0.0\r\n"), 400},
		{"CL in other digits", fields("Content-Length: \xd9\xa0\r\n"), 400},
		{"CL too large", fields("Content-Length: 18446744073709551616\r\n"), 400},
		{"CL with a vertical tab", fields("Content-Length: \x0b0\r\n"), 400},
		{"CL.TE", fields("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE.CL", fields("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n") + "0\r\n\r\n", 400},
		{"TE.TE", fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE.TE other", fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n") + "0\r\n\r\n", 400},
		{"TE twice in a list", fields("Transfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n", 400},
		{"TE identity", fields("Transfer-Encoding: identity\r\n"), 400},
		{"TE identity before chunked", fields("Transfer-Encoding: identity, chunked\r\n") + "0\r\n\r\n", 400},
		{"TE chunked not last", fields("Transfer-Encoding: chunked, gzip\r\n") + "0\r\n\r\n", 400},
		{"TE quoted", fields("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n", 400},
		{"TE with a parameter", fields("Transfer-Encoding: chunked;a=b\r\n") + "0\r\n\r\n", 400},
		{"TE with a tail", fields("Transfer-Encoding: chunked\x0b\r\n") + "0\r\n\r\n", 400},
		{"TE prefixed", fields("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", 400},
		{"TE empty", fields("Transfer-Encoding:\r\n"), 400},
		{"TE gzip before chunked", fields("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n", 501},
		{"TE space before the colon", fields("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n", 400},
		{"TE tab before the colon", fields("Transfer-Encoding\t: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE folded", fields("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n", 400},
		{"TE in a folded line", fields("X: y\r\n Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE behind a bare LF", fields("X: y\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE behind a bare CR", fields("X: y\rTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE behind a NUL", fields("X: y\x00Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"TE with a NUL in its name", fields("Transfer-Encoding\x00: chunked\r\n") + "0\r\n\r\n", 400},
		{"TE with an underscore is another field", fields("Transfer_Encoding: chunked\r\n"), 200},
		{"line ends of LF", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n", 400},
		{"head that ends in LF LF", "POST / HTTP/1.1\r\nHost: a\n\n", 400},
		{"CR CR LF", "POST / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400},
		{"a space before the first field", "POST / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", 400},
		{"a field without a name", fields(": x\r\n"), 400},
		{"a field without a colon", fields("foo\r\n"), 400},
		{"two hosts", "POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
		{"two equal hosts", "POST / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
		{"a host with user information", "POST / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
		{"a host with a path", "POST / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
		{"a host with a list", "POST / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400},
		{"an empty host", "POST / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"another host in the target", "POST http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"user information in the target", "POST http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a target without a slash", "POST a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a target with a fragment", "POST /#x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"* for another method", "POST * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"two spaces in the request line", "POST  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a tab in the request line", "POST\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"a space behind the version", "POST / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
		{"no version", "GET /\r\n\r\n", 400},
		{"version in lower case", "POST / http/1.1\r\nHost: a\r\n\r\n", 400},
		{"version 1.2", "POST / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
		{"a space before the method", " POST / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"two empty lines before", "\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		{"Connection that names Host", fields("Connection: host\r\n"), 400},
		{"Connection that names the length", fields("Connection: Content-Length\r\nContent-Length: 5\r\n") + "hello",
			400},
		{"Connection that names no token", fields("Connection: a b\r\n"), 400},
		{"chunk size empty", fields("Transfer-Encoding: chunked\r\n") + "\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk size signed", fields("Transfer-Encoding: chunked\r\n") + "+5\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk size with 0x", fields("Transfer-Encoding: chunked\r\n") + "0x5\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk size too large", fields("Transfer-Encoding: chunked\r\n") + "10000000000000005\r\nhello\r\n0\r\n\r\n",
			400},
		{"chunk size behind a space", fields("Transfer-Encoding: chunked\r\n") + " 5\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk size ends in LF", fields("Transfer-Encoding: chunked\r\n") + "5\nhello\r\n0\r\n\r\n", 400},
		{"chunk extension with LF", fields("Transfer-Encoding: chunked\r\n") + "5;a\nb\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk extension with CR", fields("Transfer-Encoding: chunked\r\n") + "5;a\rb\r\nhello\r\n0\r\n\r\n", 400},
		{"chunk longer than its size", fields("Transfer-Encoding: chunked\r\n") + "5\r\nhello!\r\n0\r\n\r\n", 400},
		{"chunk that ends in LF", fields("Transfer-Encoding: chunked\r\n") + "5\r\nhello\n0\r\n\r\n", 400},
		{"trailer folded", fields("Transfer-Encoding: chunked\r\n") + "0\r\nX: y\r\n z\r\n\r\n", 400},
		{"trailer without a colon", fields("Transfer-Encoding: chunked\r\n") + "0\r\nGET / HTTP/1.1\r\n\r\n", 400},
		{"trailer that ends in LF", fields("Transfer-Encoding: chunked\r\n") + "0\r\nX: y\n\r\n", 400},
	}
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(chan string, 100)
			up := script(t, func(w *wire) {
				for {
					head, err := readHead(w.r)
					if err != nil {
						return
					}
					seen <- head
					if _, err := w.Write([]byte(ok(""))); err != nil {
						return
					}
				}
			})
			g := start(t, to(up))
			c := g.dial()
			c.send(tt.request + smuggled)
			res, _ := c.response("POST")
			if res.StatusCode != tt.want {
				t.Errorf("status = %d, want %d", res.StatusCode, tt.want)
			}
			if tt.want == 200 {
				return
			}
			c.finish()
			c.ended()
			if !res.Close || g.faults(telemetry.DPE) != 1 {
				t.Errorf("close %v, faults DPE = %d", res.Close, g.faults(telemetry.DPE))
			}
			select {
			case head := <-seen:
				t.Errorf("the endpoint got %q", head)
			default:
			}
		})
	}
}

// A body that turns out to be malformed when a part of it has passed: the endpoint must see that it is not whole.
func TestBodyThatTurnsMalformed(t *testing.T) {
	for _, tt := range []struct{ name, rest string }{
		{"in a size", "-1\r\n\r\n"},
		{"in the trailers", "0\r\nbroken\r\n\r\n"},
		{"by extensions without end", "5;" + strings.Repeat("x", 17<<10) + "\r\nhello\r\n0\r\n\r\n"},
		{"by many extensions", strings.Repeat("1;xyz\r\nx\r\n", 9<<10) + "0\r\n\r\n"},
		{"by trailers without end", "0\r\n" + strings.Repeat("X: y\r\n", 20_000) + "\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
			up := e.accept()
			up.head()
			up.expect("5\r\nhello\r\n")
			c.send(tt.rest + get("/smuggled"))
			if res, _ := c.response("POST"); res.StatusCode != 400 && res.StatusCode != 431 || !res.Close {
				t.Errorf("status = %d, close %v", res.StatusCode, res.Close)
			}
			if got := rawRest(up); strings.Contains(got, "0\r\n\r\n") {
				t.Errorf("the endpoint got %q, which looks whole", got)
			}
			c.finish()
			c.ended()
			if n := g.faults(telemetry.DPE); n != 1 {
				t.Errorf("faults DPE = %d, want 1", n)
			}
		})
	}
}

// A length that the client gives is the length that the endpoint gets: what is behind it is another request.
func TestNothingBehindABodyPasses(t *testing.T) {
	e := listen(t)
	g := start(t, "routes:\n- {name: a, match: {path_prefix: /a}, cluster: app}\nclusters:\n- {name: app, "+
		"endpoints: [\""+e.addr+"\"]}\n")
	c := g.dial()
	c.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhiGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
	up := e.accept()
	up.head()
	up.expect("hi")
	up.silent()
	up.send(ok(""))
	c.status(200)
	c.status(404)
}
