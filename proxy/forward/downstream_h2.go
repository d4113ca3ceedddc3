package proxy

import (
	"errors"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// request2 is a request on an HTTP/2 connection whose exchange has a goroutine: the exchange and its downstream side. It is pooled.
type request2 struct {
	exchange
	work   workspace
	conn   *server2
	stream *http2.Stream
	events *events2
	pipe   *http2.Pipe  // nil while the reading goroutine of the connection carries the request
	batch  *http2.Batch // that goroutine's then, else own
	own    http2.Batch
	fields http2.Fields

	bodyless bool  // the request ended with its head: nobody need ask the pipe
	began    bool  // the head of the answer was sent
	ended    bool  // and its end
	left     int64 // bytes of a sized body still to be sent; -1: it has no size
	received int64
	sent     int64
}

var requests2 = sync.Pool{New: func() any { return new(request2) }}

// newRequest2 takes a request, and its head out of h.
func newRequest2(c *server2, s *http2.Stream, h *message.Head, end bool) *request2 {
	q := requests2.Get().(*request2)
	q.s, q.c, q.d, q.conn, q.stream, q.exchange.work = c.s, &c.c, q, c, s, &q.work
	http2.TakeHead(&q.req, h)
	q.bodyless = end
	if end {
		q.req.Body = message.NoBody
	}
	q.batch = &q.own
	q.start = q.now()
	q.received = int64(len(q.req.Buf))
	q.req.Expect100 = message.EqualFold(q.req.Get(message.Expect), "100-continue")
	q.left = -1
	return q
}

// serve carries the request, on a worker.
func (q *request2) serve() {
	defer q.conn.requests.Done()
	q.s.handle(&q.exchange)
	if !q.Ended() && q.pipe.Err() == nil {
		q.stream.Reset(q.batch, http2.NoError) // the answer is whole, the rest of the request is of no use (RFC 9113 section 8.1)
	}
	q.pipe.Close()
	q.flush()
	if !q.crashed {
		q.release()
	}
}

// flush writes what was appended. The reading goroutine does that for all its streams.
func (q *request2) flush() {
	if q.batch == &q.own {
		q.own.Flush()
	}
}

func (q *request2) release() {
	buf := q.req.Buf[:0] // the next request's block gets it
	q.reset()
	q.req.Buf = buf
	q.s, q.c, q.d, q.conn, q.stream, q.events, q.pipe, q.batch = nil, nil, nil, nil, nil, nil, nil, nil
	q.began, q.ended, q.received, q.sent, q.left = false, false, 0, 0, -1
	requests2.Put(q)
}

// The downstream side of an exchange.

func (q *request2) Next() ([]byte, error) {
	p, err := q.pipe.Next()
	q.received += int64(len(p))
	return p, err
}
func (q *request2) Ended() bool { return q.bodyless || q.pipe.Ended() }
func (q *request2) Ready() bool { return q.bodyless || q.pipe.Ready() }
func (q *request2) Trailers() *message.Head {
	if q.bodyless {
		return nil
	}
	return q.pipe.Trailers()
}
func (q *request2) SetReadDeadline(at int64) { q.pipe.SetReadDeadline(at) }
func (q *request2) Interrupt()               { q.pipe.Interrupt() }
func (q *request2) ClearInterrupt()          { q.pipe.ClearInterrupt() }
func (q *request2) Received() int64          { return q.received }
func (q *request2) Sent() int64              { return q.sent }
func (q *request2) Began() bool              { return q.began }

// Watch is for an exchange that waits: it has a goroutine.
func (q *request2) Watch(w http2.Interrupter) {
	if q.pipe != nil {
		q.pipe.Watch(w)
	}
}

// Hangup tells of a stream that was reset; ending its side is all that a client of HTTP/2 ever does with FIN.
func (q *request2) Hangup() netio.Hangup {
	if q.pipe != nil && q.pipe.Err() != nil {
		return netio.Reset
	}
	return netio.Open
}

// Inform passes an interim answer on. One that is larger than the client takes is left out.
func (q *request2) Inform(h *message.Head) error {
	q.fields.Reset()
	q.fields.Status(h.Status)
	q.fields.AddHead(h, responseDrop(h))
	err := q.stream.WriteHead(q.batch, &q.fields, false)
	q.flush()
	if errors.Is(err, http2.ErrHeadTooLarge) {
		return nil
	}
	return err
}

// Begin starts the answer.
func (q *request2) Begin(_ *exchange, h *message.Head) error {
	q.began = true
	if q.rt != nil {
		q.stream.SetStallTimeout(q.rt.cfg.Timeouts.Write)
	}
	q.ended = h.Body == message.NoBody
	if h.Body == message.Sized && h.Version != message.HTTP2 { // of HTTP/2 there may be trailers to come
		q.left = h.ContentLength
	}
	q.fields.Reset()
	q.fields.Status(h.Status)
	q.fields.AddHead(h, responseDrop(h))
	q.sent += int64(len(h.Buf))
	err := q.stream.WriteHead(q.batch, &q.fields, q.ended)
	if errors.Is(err, http2.ErrHeadTooLarge) {
		return faultLargeAnswer
	}
	return err
}

// Body sends a piece; the last one of a body of known size carries the end with it.
func (q *request2) Body(p []byte) error {
	if q.left >= 0 {
		if q.left -= int64(len(p)); q.left == 0 {
			q.ended = true
		}
	}
	q.sent += int64(len(p))
	return q.write(p, q.ended)
}

// write sends bytes of the body, and with end its end. It waits for the client's windows; the reading goroutine leaves that to another.
func (q *request2) write(p []byte, end bool) error {
	if q.pipe != nil {
		return q.pipe.Write(q.batch, p, end)
	}
	n, err := q.stream.WriteData(q.batch, p, end)
	if n < len(p) && err == nil {
		q.conn.finish(q.stream, q.events, p[n:], end)
	}
	return err
}

func (q *request2) End(t *message.Head) error {
	var err error
	switch {
	case q.ended:
	case t != nil:
		q.fields.Reset()
		q.fields.AddHead(vetted(t), neverTrailer)
		err = q.stream.WriteTrailers(q.batch, &q.fields)
		if errors.Is(err, http2.ErrHeadTooLarge) {
			err = faultLargeAnswer
		}
	default:
		err = q.write(nil, true)
	}
	q.ended = true
	q.flush()
	return err
}

func (q *request2) Flush() error {
	q.flush()
	if q.pipe == nil {
		return nil
	}
	return q.pipe.Err()
}

// Abort resets the stream: its answer is not whole.
func (q *request2) Abort() {
	code := http2.InternalError
	if r, ok := errors.AsType[*http2.ResetError](q.reason); ok && r.Code != http2.NoError {
		code = r.Code // as the upstream said it, unless that would make the answer look whole
	}
	q.stream.Reset(q.batch, code)
	q.flush()
}
