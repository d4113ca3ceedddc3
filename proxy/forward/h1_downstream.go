package forward

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// ConnH1 is an HTTP/1.1 connection from a client, as far as its requests know it.
type ConnH1 struct {
	Engine *Engine
	Client route.Client
	Conn   *netio.Conn
	Tunnel atomic.Pointer[netio.Conn] // the connection to the endpoint, once it has become a tunnel
}

// OwnerH1 is who has a client's connection.
type OwnerH1 interface {
	// Continue goes on with a request whose Serve said that it is parked, and with the connection. It runs in a
	// goroutine of its own.
	Continue(q *RequestH1)
}

// Served is how Serve has left a request.
type Served uint8

const (
	ServedLast Served = iota // the connection cannot carry another request
	ServedOne                // it can
	// ServedLater: the request waits for its endpoint without a goroutine. It belongs, with its connection, to the
	// goroutine that calls Continue, perhaps already; the caller's ends.
	ServedLater
)

// RequestH1 is a request on an HTTP/1.1 connection: the exchange and its downstream side. It is pooled, and belongs to
// the connection's goroutine.
type RequestH1 struct {
	ex    exchange
	work  Workspace
	conn  *ConnH1
	owner OwnerH1
	r     http1.Reader
	w     http1.Writer
	body  http1.Body

	preface []byte // of HTTP/2, which is what the client speaks; nil: it does not

	last  bool // the client has said that it sends nothing behind the request that was served, and nothing has come
	old   bool // the request in hand is HTTP/1.0
	began bool // bytes of its response may have left
	bare  bool // the response's body ends with the connection
}

var requestsH1 = sync.Pool{New: func() any { return new(RequestH1) }}

// NewRequestH1 takes a request for c, of which first with n bytes in it has come.
func NewRequestH1(c *ConnH1, owner OwnerH1, first *netio.Buffer, n int) *RequestH1 {
	q := requestsH1.Get().(*RequestH1)
	q.ex.attach(c.Engine, &c.Client, q, &q.work)
	q.conn, q.owner = c, owner
	q.r = *http1.NewReader(c.Conn, c.Engine.Limits, first, n)
	q.w.Conn = c.Conn
	return q
}

// Release gives q back, with its buffers. After a panic it does nothing.
func (q *RequestH1) Release() {
	if q.Panicked() {
		return
	}
	q.r.Free()
	q.w.Done()
	q.ex.reset()
	q.ex.detach()
	q.conn, q.owner, q.preface, q.last = nil, nil, nil, false
	q.r, q.w, q.body = http1.Reader{}, http1.Writer{}, http1.Body{}
	requestsH1.Put(q)
}

// Panicked tells that q has panicked: its connection must be closed.
func (q *RequestH1) Panicked() bool { return q.ex.state == panicked }

// Preface is what has come of an HTTP/2 connection, its preface first, where the client turned out to speak HTTP/2;
// else nil. Nothing has been answered then. It is the caller's.
func (q *RequestH1) Preface() []byte { return q.preface }

// Last tells that the client has said that it sends nothing behind the request that was served (RFC 9112 section 9.6).
// It also tells that nothing behind it has been read.
func (q *RequestH1) Last() bool { return q.last }

// Buffered is how many bytes of a further request have come.
func (q *RequestH1) Buffered() int { return q.r.Buffered() }

// Serve carries one request. first: nothing has come on its connection before.
func (q *RequestH1) Serve(first bool) Served {
	c, ex := q.conn, &q.ex
	ex.record.Start = ex.now()
	c.Conn.SetReadDeadline(after(ex.record.Start, c.Engine.Table().Timeouts.Read))
	err := q.r.ReadRequest(&ex.req)
	switch {
	case err == nil:
	case errors.Is(err, http1.ErrHTTP2Preface) && first:
		q.preface = bytes.Clone(q.r.Take())
		return ServedLast
	default:
		q.refuse(err)
		return ServedLast
	}
	// Behind a CONNECT, which is refused, may come the bytes of a tunnel, which are no requests.
	ex.closing = string(ex.req.Method) == "CONNECT"
	q.r.Body(&q.body, &ex.req)
	q.old, q.began, q.bare = ex.req.Version == message.HTTP10, false, false
	if ex.serve() {
		return ServedLater
	}
	return q.served()
}

// Resume is called when the endpoint or the client of a parked request may have sent something. It is also called when
// the time that the request was given is nearly over.
func (q *RequestH1) Resume() { q.owner.Continue(q) }

// Expire is Resume for the time.
func (q *RequestH1) Expire() { go q.Resume() }

// Continue is Serve for a request that was parked.
func (q *RequestH1) Continue() Served {
	if q.ex.resume() {
		return ServedLater
	}
	return q.served()
}

// served ends a request that has been carried.
func (q *RequestH1) served() Served {
	ex := &q.ex
	if ex.state == panicked {
		return ServedLast
	}
	again := !ex.closing && !ex.req.Close && !q.bare && q.body.Ended()
	q.last = ex.req.Close && q.body.Ended() && q.r.Buffered() == 0
	ex.reset()
	q.w.Done()
	q.r.Done()
	if !again {
		return ServedLast
	}
	return ServedOne
}

// refuse answers a head that is no request. A connection that just ended is no fault worth a response.
func (q *RequestH1) refuse(err error) {
	ex := &q.ex
	ex.engine.Table().Refuse(&ex.decision, &ex.req)
	ex.closing = true
	q.old, q.began = false, false
	var malformed *http1.Error
	switch {
	case errors.Is(err, http1.ErrNotHTTP): // no response, which it would misread (RFC 9113 section 3.4)
		ex.record.Flag, ex.record.Status = telemetry.DPE, 400
		ex.engine.Registry.Fault(telemetry.DPE).Inc()
	case errors.As(err, &malformed):
		ex.reply(BadRequest(malformed))
	case errors.Is(err, netio.ErrTimeout) && q.r.Buffered() > 0: // else there was but an empty line
		ex.reply(replySlowHead)
	case errors.Is(err, io.ErrUnexpectedEOF):
		ex.reply(&route.LocalReply{Status: 499, Flag: telemetry.DC, Text: "request head broke off", Cause: err})
	default:
		return
	}
	ex.finish()
}

// The methods of a downstream.

func (q *RequestH1) Next() ([]byte, error)    { return q.body.Next() }
func (q *RequestH1) Ended() bool              { return q.body.Ended() }
func (q *RequestH1) Ready() bool              { return q.body.Ready() }
func (q *RequestH1) Trailers() *message.Head  { return q.body.Trailers() }
func (q *RequestH1) SetReadDeadline(at int64) { q.conn.Conn.SetReadDeadline(at) }
func (q *RequestH1) Interrupt()               { q.conn.Conn.Interrupt() }
func (q *RequestH1) ClearInterrupt()          { q.conn.Conn.ClearInterrupt() }
func (q *RequestH1) Watch(http2.Interrupter)  {}
func (q *RequestH1) Park(u upstream) bool {
	q.conn.Conn.SetReadDeadline(0) // that of its head
	return u.Park(q.conn.Conn, q)
}
func (q *RequestH1) Hangup() netio.Hangup     { return q.conn.Conn.Hangup() }
func (q *RequestH1) Received() int64          { return q.r.Received() }
func (q *RequestH1) ResetCode() http2.ErrCode { return http2.Cancel }
func (q *RequestH1) Sent() int64              { return q.w.Sent() }
func (q *RequestH1) Began() bool              { return q.began }
func (q *RequestH1) Flush() error             { return q.w.Flush() }
func (q *RequestH1) Fit()                     { q.w.Fit() }
func (q *RequestH1) Body(p []byte) error      { return q.w.Body(p) }
func (q *RequestH1) AwaitRoom()               {}
func (q *RequestH1) ParkUnread() bool         { return false }
func (q *RequestH1) Ahead(upstream)           {}

// Offer takes all of p.
func (q *RequestH1) Offer(p []byte) (int, error) { return len(p), q.w.Body(p) }

func (q *RequestH1) End(t *message.Head) error {
	if q.old {
		t = nil
	}
	return q.w.End(vetTrailers(t), neverTrailer)
}

// Inform passes an interim response on; clients of HTTP/1.0 do not know them (RFC 9110 section 15.2).
func (q *RequestH1) Inform(h *message.Head) error {
	if q.old {
		return nil
	}
	out := appendInterim(q.w.Begin(), h)
	q.w.Head(append(out, "\r\n"...), false)
	return q.w.Flush()
}

// Begin starts the response. A body without a length is sent in chunks, or, to HTTP/1.0, until the connection closes.
func (q *RequestH1) Begin(h *message.Head) error {
	ex := &q.ex
	q.began = true
	if rt := ex.decision.Route; rt != nil {
		q.conn.Conn.SetWriteTimeout(rt.Config.Timeouts.Write)
	}
	res := ex.response(h)
	out := res.appendH1(q.w.Begin(), &ex.work.lines)
	if endsUnsized(h, ex.decision.Head) {
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
	case ex.closing || ex.req.Close || q.bare || ex.engine.leaving.Load():
		ex.closing = true
		out = append(out, "Connection: close\r\n"...)
	case q.old:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	q.w.Head(append(out, "\r\n"...), chunked)
	return nil
}

// endsUnsized tells whether h is of a response without a body that only HTTP/2 can end without saying so. Over
// HTTP/1.1 a client would wait for the end of the connection. toHead: the request's method is HEAD.
func endsUnsized(h *message.Head, toHead bool) bool {
	return h.Version == message.HTTP2 && h.Body == message.NoBody && !toHead && h.Status != 204 && h.Status != 304 &&
		!h.Present.Has(message.ContentLength)
}

// Abort ends the connection with a reset: a body that ends with its connection would otherwise look whole.
func (q *RequestH1) Abort(*route.LocalReply) {
	q.w.Drop()
	_ = q.conn.Conn.Abort()
}

// Switch makes the client's connection a plain stream. What the client sent behind its request's head belongs to the
// new protocol.
func (q *RequestH1) Switch(h *message.Head, other *netio.Conn) (*netio.Conn, []byte, error) {
	q.began = true
	res := q.ex.response(h)
	out := res.appendH1(q.w.Begin(), &q.ex.work.lines)
	out = append(out, "Connection: Upgrade\r\n"...)
	out = http1.AppendField(out, "Upgrade", h.Upgrade)
	q.w.Head(append(out, "\r\n"...), false)
	if err := q.w.Flush(); err != nil {
		return nil, nil, err
	}
	q.conn.Tunnel.Store(other)
	return q.conn.Conn, q.r.Take(), nil
}
