package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// wire is one end of a connection to the gateway, held by a test that writes and reads bytes itself: a client's, or
// an endpoint's.
type wire struct {
	*net.TCPConn
	t testing.TB
	r *bufio.Reader
}

func newWire(t testing.TB, c net.Conn) *wire {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &wire{c.(*net.TCPConn), t, bufio.NewReader(c)}
}

// dial connects to the gateway.
func (g *gateway) dial() *wire {
	g.t.Helper()
	c, err := net.Dial("tcp", g.addr)
	if err != nil {
		g.t.Fatal(err)
	}
	return newWire(g.t, c)
}

// endpoint is an endpoint whose side of every connection the test plays itself.
type endpoint struct {
	t     testing.TB
	addr  string
	conns chan net.Conn
}

// listen starts an endpoint.
func listen(t testing.TB) *endpoint {
	t.Helper()
	alone(t)
	ln := testserver.Listen(t)
	e := &endpoint{t, ln.Addr().String(), make(chan net.Conn, 128)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			e.conns <- c
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
		close(e.conns)
		for c := range e.conns {
			c.Close()
		}
	})
	return e
}

// accept waits for the gateway's next connection.
func (e *endpoint) accept() *wire {
	e.t.Helper()
	select {
	case c := <-e.conns:
		return newWire(e.t, c)
	case <-time.After(patience):
		e.t.Fatal("the gateway did not connect to the endpoint")
		return nil
	}
}

// unused fails the test if the gateway has made another connection.
func (e *endpoint) unused() {
	e.t.Helper()
	select {
	case c := <-e.conns:
		c.Close()
		e.t.Error("the gateway connected once more")
	default:
	}
}

// script runs an endpoint that gives every connection to play, in a goroutine of its own.
func script(t testing.TB, play func(w *wire)) (address string) {
	t.Helper()
	alone(t)
	ln := testserver.Listen(t)
	var playing sync.WaitGroup
	playing.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w := newWire(t, c)
			playing.Go(func() { defer c.Close(); play(w) })
		}
	})
	t.Cleanup(func() { ln.Close(); playing.Wait() })
	return ln.Addr().String()
}

// replies runs an endpoint that answers the head of each request with the same bytes.
func replies(t testing.TB, answer string) (address string) {
	t.Helper()
	return script(t, func(w *wire) {
		for {
			if _, err := readHead(w.r); err != nil {
				return
			}
			if _, err := io.WriteString(w, answer); err != nil {
				return
			}
		}
	})
}

// echo runs an endpoint that answers each request with its own head, byte for byte, as the body.
func echo(t testing.TB) (address string) {
	t.Helper()
	return script(t, func(w *wire) {
		for {
			head, err := readHead(w.r)
			if err != nil {
				return
			}
			if _, err := io.WriteString(w, ok(head)); err != nil {
				return
			}
		}
	})
}

// ok is a plain answer with a body.
func ok(body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// get is a plain request.
func get(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: a.example\r\n\r\n" }

// send writes bytes.
func (w *wire) send(s string) {
	w.t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		w.t.Fatalf("write %.60q: %v", s, err)
	}
}

// head reads a head with its empty line.
func (w *wire) head() string {
	w.t.Helper()
	h, err := readHead(w.r)
	if err != nil {
		w.t.Fatalf("read a head: %v (so far %q)", err, h)
	}
	return h
}

func readHead(r *bufio.Reader) (string, error) {
	var b strings.Builder
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil {
			return b.String(), err
		}
		if line == "\r\n" {
			return b.String(), nil
		}
	}
}

// expect reads as many bytes as want has, which must be the same.
func (w *wire) expect(want string) {
	w.t.Helper()
	b := make([]byte, len(want))
	n, err := io.ReadFull(w.r, b)
	if string(b[:n]) != want {
		w.t.Fatalf("read %q (%v), want %q", b[:n], err, want)
	}
}

// response parses an answer with its body.
func (w *wire) response(method string) (*answer, string) {
	w.t.Helper()
	return parse(w.t, w.r, method)
}

// status reads an answer and must find that code.
func (w *wire) status(want int) *answer {
	w.t.Helper()
	res, body := w.response("GET")
	if res.StatusCode != want {
		w.t.Fatalf("status = %d %q, want %d", res.StatusCode, body, want)
	}
	return res
}

// answer is an answer whose body has been read.
type answer struct {
	StatusCode int
	Status     string
	Header     http.Header
	Trailer    http.Header
	Close      bool // the connection closes behind it
}

func parse(t testing.TB, r *bufio.Reader, method string) (*answer, string) {
	t.Helper()
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("answer to %s: %v", method, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("body of the answer to %s: %v (so far %q)", method, err, b)
	}
	return &answer{res.StatusCode, res.Status, res.Header, res.Trailer, res.Close}, string(b)
}

// finish ends our side of the connection.
func (w *wire) finish() {
	w.t.Helper()
	if err := w.CloseWrite(); err != nil {
		w.t.Fatal(err)
	}
}

// reset ends the connection as a process that dies with unread bytes does.
func (w *wire) reset() {
	_ = w.SetLinger(0)
	w.Close()
}

// rest reads until the gateway ends its side in good order.
func (w *wire) rest() string {
	w.t.Helper()
	b, err := io.ReadAll(w.r)
	if err != nil {
		w.t.Fatalf("read to the end: %v (so far %q)", err, b)
	}
	return string(b)
}

// ended waits until the gateway has ended its side, in whatever way, and must get no byte before that.
func (w *wire) ended() {
	w.t.Helper()
	b, err := io.ReadAll(w.r)
	if len(b) > 0 || err != nil && !isReset(err) {
		w.t.Fatalf("read %q, %v, want the end of the connection", b, err)
	}
}

// broken reads until the connection is reset, which an end in good order is not, and returns what came before.
func (w *wire) broken() string {
	w.t.Helper()
	b, err := io.ReadAll(w.r)
	if !isReset(err) {
		w.t.Fatalf("read %q, %v, want a reset", b, err)
	}
	return string(b)
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// silent makes sure that nothing comes for a moment.
func (w *wire) silent() {
	w.t.Helper()
	_ = w.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := w.r.Peek(1); !isTimeout(err) {
		w.t.Fatalf("read %q, %v, want nothing yet", b, err)
	}
	_ = w.SetReadDeadline(time.Now().Add(patience))
}
