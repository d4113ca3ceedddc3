package proxy_test

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestChunkedRequestIsFramedAnew(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" +
		"5;name=\"va;lue\"\r\nhello\r\n000001 ; x\r\n!\r\n0;last\r\n" +
		"X-Sum: 1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\nHost: b\r\nAuthorization: x\r\nCookie: " +
		"x\r\nConnection: x\r\n" +
		"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Port: 1\r\nForwarded: x\r\nx-sum-2:  2 \r\n\r\n")
	up := e.accept()
	if h := up.head(); field(h, "Transfer-Encoding") != "chunked" || field(h, "Trailer") != "X-Sum" ||
		field(h, "Content-Length") != "" {
		t.Errorf("head upstream = %q", h)
	}
	up.expect("6\r\nhello!\r\n0\r\nX-Sum: 1\r\nx-sum-2:  2 \r\n\r\n")
	up.send(ok(""))
	c.status(200)
}

func TestChunkedAnswerIsFramedAnew(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.head()
	up.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: X-Sum\r\n\r\n" +
		"5;a=b\r\nhello\r\n0;c\r\nX-Sum: 1\r\nSet-Cookie: x\r\nContent-Length: 3\r\nWWW-Authenticate: " +
		"x\r\nX-Forwarded-Host: x\r\n\r\n")
	c.expect("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n" +
		"\r\n")
	c.send(get("/next"))
	up.head()
	up.send(ok(""))
	c.status(200)
}

func TestAnswerUntilClose(t *testing.T) {
	for _, version := range []string{"1.0", "1.1"} {
		t.Run("of "+version, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(get("/"))
			up := e.accept()
			up.head()
			up.send("HTTP/" + version + " 200 OK\r\n\r\nhel")
			up.send("lo")
			up.finish()
			if res, body := c.response("GET"); body != "hello" || res.Close {
				t.Errorf("answer = %q, close %v", body, res.Close)
			}
			c.send(get("/next"))
			up = e.accept()
			up.head()
			up.send(ok(""))
			c.status(200)
		})
	}
}

// A client must be able to tell a truncated answer from a whole one, in every framing that there is.
func TestTruncatedAnswerIsBroken(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		reset        bool
	}{
		{"sized", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false},
		{"sized, by a reset", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", true},
		{"chunked, inside a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello", false},
		{"chunked, between chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false},
		{"chunked, inside the trailers",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", false},
		{"chunked, by a malformed chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", false},
		{"until close, by a reset", "HTTP/1.1 200 OK\r\n\r\nhello", true},
	} {
		for _, version := range []string{"1.1", "1.0"} {
			t.Run(tt.name+", to "+version, func(t *testing.T) {
				e := listen(t)
				g := start(t, to(e.addr))
				c := g.dial()
				c.send("GET / HTTP/" + version + "\r\nHost: a\r\n\r\n")
				up := e.accept()
				up.head()
				up.send(tt.answer)
				c.head()
				if b, err := c.r.ReadByte(); err != nil || b == 0 {
					t.Fatal(err) // the body has begun to arrive: a reset cannot overtake it
				}
				switch {
				case tt.reset:
					up.reset()
				case strings.Contains(tt.name, "malformed"):
					up.send("xyz\r\n")
				default:
					up.finish()
				}
				c.broken()
				if n := g.faults(telemetry.UC) + g.faults(telemetry.UPE); n != 1 {
					t.Errorf("faults = %d, want 1", n)
				}
			})
		}
	}
}

func TestBrokenAnswerIsNotReused(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send(get("/"))
	up := e.accept()
	up.head()
	up.send(ok("hello") + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\npwned")
	c.status(200)
	c.send(get("/"))
	next := e.accept() // what came behind the answer belongs to nobody
	next.head()
	next.send(ok("fresh"))
	if _, body := c.response("GET"); body != "fresh" {
		t.Errorf("body = %q", body)
	}
	up.ended()
}

// random is a reader of n random bytes, the same for the same seed.
func random(seed byte, n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), n)
}

func sum(r io.Reader) string {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return fmt.Sprintf("%d %v %x", n, err, h.Sum(nil))
}

// Both bodies pass whole, in all framings, at the same time.
func TestLargeBodiesBothWays(t *testing.T) {
	const size = 5_000_003
	app := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Sized") != "" {
			w.Header().Set("Content-Length", "5000003")
		}
		got := make(chan string, 1)
		_ = http.NewResponseController(w).EnableFullDuplex()
		go func() { got <- sum(r.Body) }()
		w.Header().Set("Trailer", "X-Got")
		_, _ = io.Copy(w, random(2, size))
		w.Header().Set("X-Got", <-got)
	})
	g := start(t, to(app))
	for _, chunked := range []bool{false, true} {
		t.Run(fmt.Sprintf("chunked=%v", chunked), func(t *testing.T) {
			c := g.dial()
			c.t = t
			req, _ := http.NewRequest("POST", "http://a/", random(1, size))
			if !chunked {
				req.ContentLength = size
			}
			sent := make(chan error, 1)
			go func() { sent <- req.Write(c) }()
			res, err := http.ReadResponse(c.r, req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if got, want := sum(res.Body), sum(random(2, size)); got != want {
				t.Errorf("answer arrived as %s, want %s", got, want)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if got, want := res.Trailer.Get("X-Got"), sum(random(1, size)); got != want {
				t.Errorf("request arrived as %s, want %s", got, want)
			}
		})
	}
}

// A client that does not read holds up its upstream; what lies between them is bounded.
func TestSlowReaderHoldsTheUpstream(t *testing.T) {
	const size = 256 << 20
	taken := make(chan int64, 1)
	app := script(t, func(w *wire) {
		if _, err := readHead(w.r); err != nil {
			return
		}
		_, _ = fmt.Fprintf(w, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		piece := make([]byte, 64<<10)
		var n int64
		for n < size {
			_ = w.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
			m, err := w.Write(piece)
			if n += int64(m); errors.Is(err, os.ErrDeadlineExceeded) {
				taken <- n
				return
			}
			if err != nil {
				return
			}
		}
	})
	g := start(t, to(app))
	c := g.dial()
	_ = c.SetReadBuffer(32 << 10)
	c.send(get("/"))
	select {
	case n := <-taken:
		// The kernel alone holds up to 40 MiB: the largest receive buffer (tcp_rmem) is 32 MiB on new ones.
		if n > size/4 {
			t.Errorf("the gateway took %d bytes for a client that reads none", n)
		}
	case <-time.After(patience):
		t.Fatal("the gateway takes all there is")
	}
}

func TestEventsArriveAtOnce(t *testing.T) {
	for _, tt := range []struct{ name, head, open, close string }{
		{"chunked", "Transfer-Encoding: chunked\r\n", "9\r\n", "\r\n"},
		{"until close", "", "", ""},
		{"sized", "Content-Length: 1000\r\n", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := listen(t)
			g := start(t, to(e.addr))
			c := g.dial()
			c.send(get("/events"))
			up := e.accept()
			up.head()
			up.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + tt.head + "\r\n")
			head := c.head() // before there is any event
			for range 5 {
				up.send(tt.open + "data: x\n\n" + tt.close)
				if field(head, "Transfer-Encoding") != "" {
					c.expect("9\r\ndata: x\n\n\r\n")
				} else {
					c.expect("data: x\n\n")
				}
			}
		})
	}
}

func TestUploadArrivesPieceByPiece(t *testing.T) {
	e := listen(t)
	g := start(t, to(e.addr))
	c := g.dial()
	c.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
	up := e.accept()
	up.head() // before there is any body
	for range 5 {
		c.send("4;x\r\nping\r\n")
		up.expect("4\r\nping\r\n")
	}
	// And both ways at a time: the answer begins before the request has ended.
	up.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	if h := c.head(); field(h, "Connection") != "close" {
		t.Errorf("head = %q, want Connection: close: nobody knows yet whether the request will be read to its end", h)
	}
	for range 5 {
		c.send("4\r\nping\r\n")
		up.expect("4\r\nping\r\n")
		up.send("4\r\npong\r\n")
		c.expect("4\r\npong\r\n")
	}
	c.send("0\r\n\r\n")
	up.expect("0\r\n\r\n")
	up.send("0\r\n\r\n")
	c.expect("0\r\n\r\n")
	c.send(get("/too-late"))
	c.ended()
}

// The first bytes of a body go along with the head, however they came.
func TestBodyInOnePieceWithItsHead(t *testing.T) {
	app := backend(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, sum(r.Body)) })
	g := start(t, to(app))
	for _, size := range []int64{1, 4095, 4096, 8191, 8192, 16383, 16384, 65536, 70000, 300_000} {
		for _, framing := range []string{"sized", "chunked"} {
			t.Run(fmt.Sprintf("%s %d", framing, size), func(t *testing.T) {
				c := g.dial()
				c.t = t
				req, _ := http.NewRequest("PUT", "http://a/", random(3, size))
				if framing == "sized" {
					req.ContentLength = size
				}
				b := bufio.NewWriterSize(c, 1<<20)
				if err := req.Write(b); err != nil {
					t.Fatal(err)
				}
				if err := b.Flush(); err != nil {
					t.Fatal(err)
				}
				if _, body := c.response("PUT"); body != sum(random(3, size)) {
					t.Errorf("arrived as %s", body)
				}
			})
		}
	}
}
