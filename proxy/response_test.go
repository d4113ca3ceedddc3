package proxy_test

import (
	"io"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Each response is read by its own rules on both sides. A second request on the same two connections proves that both
// agree where it ended.
func TestAnswersWithoutABody(t *testing.T) {
	for _, tt := range []struct {
		name, request, answer string
		want                  string // the answer's head
	}{
		{"HEAD with a length", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"HEAD of a chunked answer", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n"},
		{"HEAD without a length", "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n",
			"HTTP/1.1 200 OK\r\nX: y\r\n\r\n"},
		{"204", get("/"), "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n"},
		{"204 with a length, which it must not have", get("/"), "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 204 No Content\r\n\r\n"},
		{"304 with the length of what was not sent", get("/"),
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n"},
		{"205", get("/"), "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
		{"an empty body", get("/"), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"a status nobody knows", get("/"), "HTTP/1.1 299 \xc3\xa9t\xc3\xa9\r\nContent-Length: 0\r\n\r\n",
			"HTTP/1.1 299 \xc3\xa9t\xc3\xa9\r\nContent-Length: 0\r\n\r\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(tt.request)
			up := e.accept()
			up.head()
			up.send(tt.answer)
			if head := c.head(); head != tt.want {
				t.Errorf("answer = %q, want %q", head, tt.want)
			}
			c.send(get("/next"))
			up.head()
			up.send(ok("next"))
			if _, body := c.response("GET"); body != "next" {
				t.Errorf("next answer = %q", body)
			}
			e.unused()
		})
	}
}

func TestInterimAnswersPassAtOnce(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.head()
	up.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n")
	c.expect("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
	up.send("HTTP/1.1 102 Processing\r\n\r\n")
	c.expect("HTTP/1.1 102 Processing\r\n\r\n")
	up.send(ok("done"))
	if _, body := c.response("GET"); body != "done" {
		t.Errorf("body = %q", body)
	}
}

func TestExpectation(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"

	t.Run("is passed on, and so is the answer to it", func(t *testing.T) {
		e := listen(t)
		g := start(t, to(e.addr))
		c := g.dial()
		c.send(head)
		up := e.accept()
		if h := up.head(); field(h, "Expect") != "100-continue" {
			t.Errorf("head upstream = %q", h)
		}
		up.silent()
		up.send("HTTP/1.1 100 Continue\r\n\r\n")
		c.expect("HTTP/1.1 100 Continue\r\n\r\n")
		c.send("hello")
		up.expect("hello")
		up.send(ok("thanks"))
		if res, body := c.response("POST"); body != "thanks" || res.Close {
			t.Errorf("answer = %q, close %v", body, res.Close)
		}
		c.send(get("/next"))
		up.head()
		up.send(ok(""))
		c.status(200)
	})
	for _, status := range []string{"417 Expectation Failed", "401 Unauthorized"} {
		t.Run("is refused with "+status, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(head)
			up := e.accept()
			up.head()
			up.send("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n")
			res, _ := c.response("POST")
			if res.Status != status || !res.Close {
				t.Errorf("answer = %q, close %v, want %q and a closed connection", res.Status, res.Close, status)
			}
			c.finish()
			c.ended()
			up.ended() // it must not wait for the body on this connection
		})
	}
	t.Run("need not be waited for", func(t *testing.T) {
		e := listen(t)
		g := start(t, to(e.addr))
		c := g.dial()
		c.send(head + "hello")
		up := e.accept()
		up.head()
		up.expect("hello")
		up.send("HTTP/1.1 100 Continue\r\n\r\n" + ok(""))
		c.expect("HTTP/1.1 100 Continue\r\n\r\n")
		c.status(200)
	})
	t.Run("that nobody knows is 417", func(t *testing.T) {
		e := listen(t)
		g := start(t, to(e.addr))
		res, _ := g.ask("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 5\r\n\r\nhello")
		if res.StatusCode != 417 || g.faults(telemetry.DPE) != 1 {
			t.Errorf("status = %d, want 417 under DPE", res.StatusCode)
		}
		e.unused()
	})
	t.Run("of an HTTP/1.0 client means nothing", func(t *testing.T) {
		g := start(t, to(echo(t)))
		_, head := g.ask("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
		if strings.Contains(head, "Expect") {
			t.Errorf("head upstream = %q, want no Expect", head)
		}
	})
}

// The answer may be complete while the request is still under way: the client gets all of it, and both connections end.
func TestAnswerBeforeTheRequestIsThrough(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100_000))
	up := e.accept()
	up.head()
	up.send(ok("enough"))
	res, body := c.response("POST")
	if body != "enough" || !res.Close {
		t.Errorf("answer = %q, close %v, want a closed connection", body, res.Close)
	}
	up.t = t
	if _, err := io.Copy(io.Discard, up.r); err != nil && !isReset(err) {
		t.Errorf("upstream: %v, want the end of the connection", err)
	}
	c.finish()
	c.ended()
}

// An endpoint that answers and closes without reading everything must not cost the client the answer.
func TestAnswerBehindAFailedUpload(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
	up := e.accept()
	up.head()
	up.expect("1\r\nx\r\n")
	up.send("HTTP/1.1 413 Too Much\r\nConnection: close\r\nContent-Length: 4\r\n\r\nstop")
	up.finish()
	if res, body := c.response("POST"); res.StatusCode != 413 || body != "stop" || !res.Close {
		t.Errorf("answer = %d %q, close %v", res.StatusCode, body, res.Close)
	}
}
