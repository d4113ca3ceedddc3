package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/sock"
)

// server1 is an HTTP/1.1 connection from a client, and the downstream side of the exchange it carries. Its goroutine runs serve.
type server1 struct {
	s    *Server
	c    client
	conn *sock.Conn
	r    http1.Reader
	w    http1.Writer
	body http1.Body

	waiting atomic.Bool               // idle: Interrupt does no harm
	tunnel  atomic.Pointer[sock.Conn] // the other end, once it has become a tunnel

	old   bool // the request in hand is HTTP/1.0
	began bool // bytes of its answer may have left
	bare  bool // the answer's body ends with the connection
}

// slimAfter is how long a connection must be idle before it moves to a fresh goroutine, whose stack is small again.
const slimAfter = 250 * time.Millisecond

// serve carries requests until the connection ends. first, with n bytes in it, is what has been read already; it may be nil.
func (c *server1) serve(first *sock.Buffer, n int) {
	if !c.s.track(c) {
		first.Free()
		_ = c.conn.Close() // draining
		c.c.settings.tele.Active.Dec()
		c.s.limit.Release()
		return
	}
	c.r = *http1.NewReader(c.conn, c.s.limits, first, n)
	c.w.Conn = c.conn
	c.run(c.s.sweeper.Now())
}

// run is the loop over requests; since is when the connection last became idle.
func (c *server1) run(since int64) {
	for busy := false; ; busy = true {
		switch c.await(since, busy) {
		case idleSlim:
			go c.run(since)
			return
		case idleOver:
			c.end(false)
			return
		}
		if !c.one() {
			c.end(true)
			return
		}
		since = c.s.sweeper.Now()
	}
}

type idleEnd uint8

const (
	idleRequest idleEnd = iota // bytes have come
	idleSlim                   // idle on a grown stack
	idleOver                   // closed, timed out or drained
)

// await waits for the first byte of a request. The goroutine that has carried one gives up its place to a fresh one after slimAfter: its
// stack has grown, and only the garbage collector would shrink it.
func (c *server1) await(since int64, busy bool) idleEnd {
	if c.r.Buffered() > 0 {
		return idleRequest
	}
	c.waiting.Store(true)
	defer c.busy()
	limit := since + int64(c.s.table.Load().timeouts.Idle)
	for {
		if c.s.draining.Load() {
			return idleOver
		}
		at := limit
		if busy {
			at = sooner(limit, since+int64(slimAfter))
		}
		c.conn.SetReadDeadline(at)
		err := c.r.Wait()
		switch {
		case err == nil:
			return idleRequest
		case errors.Is(err, sock.ErrInterrupted): // to look at draining again
		case errors.Is(err, sock.ErrTimeout) && at < limit:
			return idleSlim
		default:
			return idleOver
		}
	}
}

// busy ends the time in which a drain may interrupt the connection.
func (c *server1) busy() {
	c.waiting.Store(false)
	if c.s.draining.Load() { // an interrupt may be under way: it is given with the lock held
		c.s.mu.Lock()
		c.s.mu.Unlock() //nolint:staticcheck // the empty section is a barrier
		c.conn.ClearInterrupt()
	}
}

// one carries one request and tells whether the connection can carry another.
func (c *server1) one() bool {
	ex := newExchange(c.s, &c.c, c)
	ex.start = ex.now()
	c.conn.SetReadDeadline(ex.start + int64(c.s.table.Load().timeouts.Read))
	if err := c.r.ReadRequest(&ex.req); err != nil {
		c.refuse(ex, err)
		ex.release()
		return false
	}
	c.r.Body(&c.body, &ex.req)
	c.old, c.began, c.bare = ex.req.Version == message.HTTP10, false, false
	c.s.handle(ex)
	again := !ex.closing && !ex.req.Close && !ex.tunnel && !c.bare && c.body.Ended() && !c.s.draining.Load()
	c.body = http1.Body{}
	ex.release()
	c.w.Done()
	c.r.Done()
	return again
}

// refuse answers a head that is no request. A connection that just ended is no fault worth an answer.
func (c *server1) refuse(ex *exchange, err error) {
	ex.t, ex.closing = c.s.table.Load(), true
	c.old, c.began = false, false
	var malformed *http1.Error
	switch {
	case errors.As(err, &malformed):
		ex.answerFault(badRequest(malformed))
	case errors.Is(err, sock.ErrTimeout):
		ex.answerFault(faultSlowHead)
	case errors.Is(err, io.ErrUnexpectedEOF):
		ex.answerFault(&fault{400, faultGone.flag, "request head broke off", err})
	default:
		return
	}
	ex.record()
}

// lingerFor and lingerBytes bound how long we go on reading what a client still sends after our last answer: closing at once would reset
// the connection, and the reset may overtake the answer (RFC 9112 section 9.6).
const (
	lingerFor   = 2 * time.Second
	lingerBytes = 1 << 20
)

// end closes the connection. answered: an answer was sent last, which the client must get to read.
func (c *server1) end(answered bool) {
	if answered {
		_ = c.conn.CloseWrite() // Close follows
		c.conn.SetReadDeadline(c.s.sweeper.Now() + int64(lingerFor))
		b := sock.NewBuffer()
		for total := 0; total < lingerBytes; {
			n, err := c.conn.Read(b.B)
			if err != nil {
				break
			}
			total += n
		}
		b.Free()
	}
	c.r.Free()
	c.w.Done()
	_ = c.conn.Close() // nothing depends on it any more
	c.s.untrack(c)
}

// The downstream side of an exchange.

func (c *server1) Next() ([]byte, error)    { return c.body.Next() }
func (c *server1) Ended() bool              { return c.body.Ended() }
func (c *server1) Ready() bool              { return c.body.Ready() }
func (c *server1) Trailers() *message.Head  { return c.body.Trailers() }
func (c *server1) SetReadDeadline(at int64) { c.conn.SetReadDeadline(at) }
func (c *server1) Interrupt()               { c.conn.Interrupt() }
func (c *server1) ClearInterrupt()          { c.conn.ClearInterrupt() }
func (c *server1) Hangup() sock.Hangup      { return c.conn.Hangup() }
func (c *server1) Received() int64          { return c.r.Received() }
func (c *server1) Sent() int64              { return c.w.Sent() }
func (c *server1) Began() bool              { return c.began }
func (c *server1) Flush() error             { return c.w.Flush() }
func (c *server1) Body(p []byte) error      { return c.w.Body(p) }
func (c *server1) End(t *message.Head) error {
	if c.old {
		t = nil
	}
	return c.w.End(t, neverTrailer)
}

// Inform passes an interim answer on; clients of HTTP/1.0 do not know them (RFC 9110 section 15.2).
func (c *server1) Inform(h *message.Head) error {
	if c.old {
		return nil
	}
	out := http1.AppendStatusLine(c.w.Begin(), h.Status, reason(h))
	out = h.AppendFields(out, responseDrop(h))
	c.w.Head(append(out, "\r\n"...), false)
	return c.w.Flush()
}

// Begin starts the answer. A body without a length is sent in chunks, or, to HTTP/1.0, until the connection closes.
func (c *server1) Begin(ex *exchange, h *message.Head) error {
	c.began = true
	out := http1.AppendStatusLine(c.w.Begin(), h.Status, reason(h))
	out = h.AppendFields(out, responseDrop(h))
	chunked := h.Body == message.Chunked || h.Body == message.UntilClose
	if chunked {
		if chunked = !c.old; chunked {
			out = append(out, "Transfer-Encoding: chunked\r\n"...)
		} else {
			c.bare = true
		}
	}
	switch {
	case ex.closing || ex.req.Close || c.bare || c.s.draining.Load():
		ex.closing = true
		out = append(out, "Connection: close\r\n"...)
	case c.old:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	c.w.Head(append(out, "\r\n"...), chunked)
	return nil
}

// reason is the reason phrase as it came; HTTP/2 has none.
func reason(h *message.Head) []byte {
	if h.Version == message.HTTP2 {
		return nil
	}
	return h.Reason
}

// Abort ends the connection with a reset: a body that ends with its connection would otherwise look whole.
func (c *server1) Abort() {
	c.w.Done()
	_ = c.conn.Abort()
}
