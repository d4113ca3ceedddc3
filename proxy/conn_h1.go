package proxy

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// server1 is an HTTP/1.1 connection from a client. Its goroutine runs serve. Between requests it is only this: no buffer, no exchange, and,
// after a while, no goroutine (see netio.Conn.Park) or at least a small stack.
type server1 struct {
	s    *Server
	c    client
	conn *netio.Conn

	tunnel  atomic.Pointer[netio.Conn] // the other end, once it has become a tunnel
	waiting atomic.Bool                // idle: Interrupt does no harm
	fresh   bool                       // nothing has come on it yet
}

// request1 is a request on an HTTP/1.1 connection: the exchange and its downstream side. It is pooled.
type request1 struct {
	exchange
	work workspace
	conn *server1
	r    http1.Reader
	w    http1.Writer
	body http1.Body

	old   bool // the request in hand is HTTP/1.0
	began bool // bytes of its answer may have left
	bare  bool // the answer's body ends with the connection
}

var requests1 = sync.Pool{New: func() any { return new(request1) }}

// newRequest1 takes a request for c, of which first with n bytes in it has come.
func newRequest1(c *server1, first *netio.Buffer, n int) *request1 {
	q := requests1.Get().(*request1)
	q.s, q.c, q.d, q.conn, q.exchange.work = c.s, &c.c, q, c, &q.work
	q.grpcStatus = noGRPCStatus // also of a head that is no request
	q.r = *http1.NewReader(c.conn, c.s.limits, first, n)
	q.w.Conn = c.conn
	return q
}

// release gives q back, with its buffers.
func (q *request1) release() {
	q.r.Free()
	q.w.Done()
	q.reset()
	q.s, q.c, q.d, q.conn = nil, nil, nil, nil
	q.r, q.w, q.body = http1.Reader{}, http1.Writer{}, http1.Body{}
	requests1.Put(q)
}

// slimAfter is how long a connection must be idle before it is parked. Where it cannot be, it moves to a fresh goroutine, whose stack is
// small again: the one that has carried a request has grown, and only the garbage collector would shrink it.
const slimAfter = 50 * time.Millisecond

// serve carries requests until the connection, which is tracked, ends. first, with n bytes in it, is what has been read already; it may be nil.
func (c *server1) serve(first *netio.Buffer, n int) {
	c.run(first, n, c.s.sweeper.Now())
}

// run is the loop over requests; since is when the connection last became idle.
func (c *server1) run(first *netio.Buffer, n int, since int64) {
	for busy := false; ; busy = true {
		if n == 0 {
			var why idleEnd
			switch first, n, why = c.await(since, busy); why {
			case idleParked:
				return // c is no longer ours
			case idleSlim:
				go c.run(nil, 0, since)
				return
			case idleOver:
				c.end(false)
				return
			}
			c.busy()
			if c.fresh && wantsHTTP2(first.B[:n]) {
				c.becomeHTTP2(first, n)
				return
			}
		}
		c.fresh = false
		q := newRequest1(c, first, n)
		again := q.one()
		for again && q.r.Buffered() > 0 { // pipelined
			again = q.one()
		}
		if q.crashed {
			c.end(false)
			return
		}
		q.release()
		if !again {
			c.end(true)
			return
		}
		since, first, n = c.s.sweeper.Now(), nil, 0
	}
}

type idleEnd uint8

const (
	idleRequest idleEnd = iota // bytes have come
	idleParked                 // Resume or Expire goes on
	idleSlim                   // idle on a grown stack
	idleOver                   // closed, timed out or drained
)

// await waits for the first bytes of a request. busy tells that this goroutine has carried one.
func (c *server1) await(since int64, busy bool) (*netio.Buffer, int, idleEnd) {
	c.waiting.Store(true)
	limit := since + int64(c.s.table.Load().timeouts.Idle)
	slim := busy || c.conn.Plain()
	for {
		if c.s.draining.Load() && c.conn.Quiet() && !c.welcome(since) { // else a request has come in the same moment
			return nil, 0, idleOver
		}
		at := limit
		if slim {
			at = sooner(limit, since+int64(slimAfter))
		}
		c.conn.SetReadDeadline(at)
		b, n, err := c.conn.ReadFirst()
		switch {
		case err == nil:
			return b, n, idleRequest
		case errors.Is(err, netio.ErrInterrupted): // to look at draining again
		case errors.Is(err, netio.ErrTimeout) && at < limit:
			c.conn.SetReadDeadline(limit)
			if c.conn.Park(c) {
				return nil, 0, idleParked
			}
			if busy {
				return nil, 0, idleSlim
			}
			slim = false
		default:
			return nil, 0, idleOver
		}
	}
}

// welcome tells whether the client has come so late in a drain, by a long handshake, that its first request must be on its way still.
func (c *server1) welcome(since int64) bool {
	return c.fresh && c.s.sweeper.Now() < since+int64(lastWord)
}

// Resume goes on when a parked connection can be read, or drain or cut want it. That it may wait once more, from now, does no harm.
func (c *server1) Resume() { c.run(nil, 0, c.s.sweeper.Now()) }

// Expire ends a connection that was parked for too long.
func (c *server1) Expire() { c.end(false) }

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
func (q *request1) one() bool {
	c := q.conn
	q.start = q.now()
	c.conn.SetReadDeadline(q.start + int64(c.s.table.Load().timeouts.Read))
	if err := q.r.ReadRequest(&q.req); err != nil {
		q.refuse(err)
		return false
	}
	q.r.Body(&q.body, &q.req)
	q.old, q.began, q.bare = q.req.Version == message.HTTP10, false, false
	c.s.handle(&q.exchange)
	if q.crashed {
		return false
	}
	again := !q.closing && !q.req.Close && !q.tunnel && !q.bare && q.body.Ended()
	q.reset()
	q.w.Done()
	q.r.Done()
	return again
}

// refuse answers a head that is no request. A connection that just ended is no fault worth an answer.
func (q *request1) refuse(err error) {
	q.t, q.closing = q.s.table.Load(), true
	q.method = telemetry.ParseMethod(q.req.Method)
	q.old, q.began = false, false
	var malformed *http1.Error
	switch {
	case errors.Is(err, http1.ErrNotHTTP): // whoever that is would take an answer for something else (RFC 9113 section 3.4)
		q.flag, q.status = telemetry.DPE, 400
		q.s.registry.Fault(telemetry.DPE).Inc()
	case errors.As(err, &malformed):
		q.answerFault(badRequest(malformed))
	case errors.Is(err, netio.ErrTimeout) && q.r.Buffered() > 0: // else there was but an empty line
		q.answerFault(faultSlowHead)
	case errors.Is(err, io.ErrUnexpectedEOF):
		q.answerFault(&fault{499, telemetry.DC, "request head broke off", err})
	default:
		return
	}
	q.finish()
}

// leave has nothing to say before the next answer, which looks at Server.leaving.
func (c *server1) leave() {}

// drain makes an idle connection look at Server.draining; a busy one does so after its request.
func (c *server1) drain() {
	switch {
	case c.conn.Unpark():
		c.s.roused = append(c.s.roused, c)
	case c.waiting.Load():
		c.conn.Interrupt()
	}
}

func (c *server1) cut() {
	_ = c.conn.Abort() // it is over for both ends
	if t := c.tunnel.Load(); t != nil {
		_ = t.Abort()
	}
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
		b := netio.NewBuffer()
		for total := 0; total < lingerBytes; {
			n, err := c.conn.Read(b.B)
			if err != nil {
				break
			}
			total += n
		}
		b.Free()
	}
	_ = c.conn.Close() // nothing depends on it any more
	c.s.untrack(c, &c.c)
}

// The downstream side of an exchange.

func (q *request1) Next() ([]byte, error)    { return q.body.Next() }
func (q *request1) Ended() bool              { return q.body.Ended() }
func (q *request1) Ready() bool              { return q.body.Ready() }
func (q *request1) Trailers() *message.Head  { return q.body.Trailers() }
func (q *request1) SetReadDeadline(at int64) { q.conn.conn.SetReadDeadline(at) }
func (q *request1) Interrupt()               { q.conn.conn.Interrupt() }
func (q *request1) ClearInterrupt()          { q.conn.conn.ClearInterrupt() }
func (q *request1) Watch(http2.Interrupter)  {}
func (q *request1) Hangup() netio.Hangup     { return q.conn.conn.Hangup() }
func (q *request1) Received() int64          { return q.r.Received() }
func (q *request1) Sent() int64              { return q.w.Sent() }
func (q *request1) Began() bool              { return q.began }
func (q *request1) Flush() error             { return q.w.Flush() }
func (q *request1) Body(p []byte) error      { return q.w.Body(p) }
func (q *request1) End(t *message.Head) error {
	if q.old {
		t = nil
	}
	return q.w.End(vetted(t), neverTrailer)
}

// Inform passes an interim answer on; clients of HTTP/1.0 do not know them (RFC 9110 section 15.2).
func (q *request1) Inform(h *message.Head) error {
	if q.old {
		return nil
	}
	out := http1.AppendStatusLine(q.w.Begin(), h.Status, reason(h))
	out = h.AppendFields(out, responseDrop(h))
	q.w.Head(append(out, "\r\n"...), false)
	return q.w.Flush()
}

// Begin starts the answer. A body without a length is sent in chunks, or, to HTTP/1.0, until the connection closes.
func (q *request1) Begin(ex *exchange, h *message.Head) error {
	q.began = true
	if q.rt != nil {
		q.conn.conn.SetWriteTimeout(q.rt.cfg.Timeouts.Write)
	}
	out := http1.AppendStatusLine(q.w.Begin(), h.Status, reason(h))
	out = h.AppendFields(out, responseDrop(h))
	if endsUnsized(ex, h) {
		out = append(out, "Content-Length: 0\r\n"...)
	}
	chunked := h.Body == message.Chunked || h.Body == message.UntilClose
	if chunked {
		if chunked = !q.old; chunked {
			out = append(out, "Transfer-Encoding: chunked\r\n"...)
		} else {
			q.bare = true
		}
	}
	switch {
	case ex.closing || ex.req.Close || q.bare || q.s.leaving():
		ex.closing = true
		out = append(out, "Connection: close\r\n"...)
	case q.old:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	q.w.Head(append(out, "\r\n"...), chunked)
	return nil
}

// endsUnsized tells whether h is of an answer without a body that only HTTP/2 can end without saying so: over HTTP/1.1 a client would wait
// for the end of the connection.
func endsUnsized(ex *exchange, h *message.Head) bool {
	return h.Version == message.HTTP2 && h.Body == message.NoBody && !ex.head && h.Status != 204 && h.Status != 304 && !h.Present.Has(message.ContentLength)
}

// reason is the reason phrase as it came; HTTP/2 has none.
func reason(h *message.Head) []byte {
	if h.Version == message.HTTP2 {
		return nil
	}
	return h.Reason
}

// Abort ends the connection with a reset: a body that ends with its connection would otherwise look whole.
func (q *request1) Abort() {
	q.w.Done()
	_ = q.conn.conn.Abort()
}
