package forward

import (
	"errors"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// requestH2 is a request on an HTTP/2 connection that an exchange carries, and its downstream side. It is pooled.
type requestH2 struct {
	ex     exchange
	work   Workspace
	conn   *ConnH2
	stream *http2.Stream
	events *inlineEvents
	pipe   *http2.Pipe  // nil while the reading goroutine of the connection carries the request
	batch  *http2.Batch // that goroutine's then, else own
	own    http2.Batch
	fields http2.Fields

	bodyless bool // the request ended with its head: nobody need ask the pipe
	began    bool // the head of the response was sent
	ended    bool // and its end
	// takesStatus: the head was sent, and trailers may end the response before it is whole.
	takesStatus bool

	left     int64 // bytes of a sized body still to be sent; -1: it has no size
	received int64
	sent     int64
}

var requestsH2 = sync.Pool{New: func() any { return new(requestH2) }}

// newRequest takes a request, and its head out of h.
func (c *ConnH2) newRequest(s *http2.Stream, h *message.Head, end bool) *requestH2 {
	q := requestsH2.Get().(*requestH2)
	q.ex.attach(c.Engine, &c.Client, q, &q.work)
	q.conn, q.stream = c, s
	http2.TakeHead(&q.ex.req, h)
	q.bodyless = end
	if end {
		q.ex.req.Body = message.NoBody
	}
	q.batch = &q.own
	q.received = int64(len(q.ex.req.Buf))
	q.left = -1
	return q
}

// serve carries the request, on a worker, or goes on with one that waited for its client.
func (q *requestH2) serve() {
	if q.ex.attempt.state == unread {
		q.finish(q.ex.resume())
		return
	}
	q.finish(q.ex.serve())
}

// unreadH2 is a request that waits for its client to take more of the response.
type unreadH2 requestH2

// Resume has a worker go on with it.
func (q *unreadH2) Resume() { q.conn.Engine.workers.serve((*requestH2)(q)) }

// Resume goes on with a request that was parked. Its endpoint may have sent something, its client is gone, or the time
// that it was given is nearly over.
func (q *requestH2) Resume() { q.finish(q.ex.resume()) }

// Expire is Resume for the time.
func (q *requestH2) Expire() { go q.Resume() }

// finish does what follows a request, unless it is parked: then Resume has it, perhaps already.
func (q *requestH2) finish(parked bool) {
	if parked {
		return
	}
	defer q.conn.requests.Done()
	if !q.Ended() && q.pipe.Err() == nil {
		// The response is whole, the rest of the request is of no use (RFC 9113 section 8.1).
		q.stream.Reset(q.batch, http2.NoError)
	}
	q.pipe.Close()
	q.flush()
	q.release()
}

// flush writes what was appended. The reading goroutine does that for all its streams.
func (q *requestH2) flush() {
	if q.batch == &q.own {
		q.own.Flush()
	}
}

// release gives q back, unless it has panicked.
func (q *requestH2) release() {
	if q.ex.state == panicked {
		return
	}
	buf := q.ex.req.Buf[:0] // the next request's block gets it
	q.ex.reset()
	q.ex.detach()
	q.ex.req.Buf = buf
	q.own.Trim()
	q.conn, q.stream, q.events, q.pipe, q.batch = nil, nil, nil, nil, nil
	q.began, q.takesStatus, q.ended, q.received, q.sent, q.left = false, false, false, 0, 0, -1
	requestsH2.Put(q)
}

// The methods of a downstream.

func (q *requestH2) Next() ([]byte, error) {
	p, err := q.pipe.Next()
	q.received += int64(len(p))
	return p, err
}
func (q *requestH2) Ended() bool { return q.bodyless || q.pipe.Ended() }
func (q *requestH2) Ready() bool { return q.bodyless || q.pipe.Ready() }
func (q *requestH2) Trailers() *message.Head {
	if q.bodyless {
		return nil
	}
	return q.pipe.Trailers()
}
func (q *requestH2) SetReadDeadline(at int64) { q.pipe.SetReadDeadline(at) }
func (q *requestH2) Interrupt()               { q.pipe.Interrupt() }
func (q *requestH2) ClearInterrupt()          { q.pipe.ClearInterrupt() }

// Fit is for the memory of the head, which was sent.
func (q *requestH2) Fit() { q.fields = http2.Fields{} }

// Park is refused to the reading goroutine, which has other requests. That the client is gone, it tells by Watch.
func (q *requestH2) Park(u upstream) bool { return q.pipe != nil && u.Park(nil, q) }
func (q *requestH2) Received() int64      { return q.received }
func (q *requestH2) Sent() int64          { return q.sent }
func (q *requestH2) Began() bool          { return q.began }

// Watch is for an exchange that waits: it has a goroutine.
func (q *requestH2) Watch(w http2.Interrupter) {
	if q.pipe != nil {
		q.pipe.Watch(w)
	}
}

// Hangup tells of a stream that was reset; ending its side is all that a client of HTTP/2 ever does with FIN.
func (q *requestH2) Hangup() netio.Hangup {
	if q.pipe != nil && q.pipe.Err() != nil {
		return netio.Reset
	}
	return netio.Open
}

// ResetCode is the client's own code, if it has reset its stream.
func (q *requestH2) ResetCode() http2.ErrCode {
	if q.pipe != nil {
		if r, ok := errors.AsType[*http2.ResetError](q.pipe.Err()); ok && r.Code != http2.NoError {
			return r.Code
		}
	}
	return http2.Cancel
}

// Inform passes an interim response on. One that is larger than the client takes is left out.
func (q *requestH2) Inform(h *message.Head) error {
	q.fields.Reset()
	FillInterim(&q.fields, h)
	err := q.stream.WriteHead(q.batch, &q.fields, false)
	q.flush()
	if errors.Is(err, http2.ErrHeadTooLarge) {
		return nil
	}
	return err
}

// Begin starts the response.
func (q *requestH2) Begin(h *message.Head) error {
	q.began = true
	if rt := q.ex.decision.Route; rt != nil {
		q.stream.SetStallTimeout(rt.Config.Timeouts.Write)
	}
	q.ended = h.Body == message.NoBody
	if h.Body == message.Sized && h.Version != message.HTTP2 { // of HTTP/2 there may be trailers to come
		q.left = h.ContentLength
	}
	takesStatus := TakesStatus(&q.ex.decision, h)
	q.fields.Reset()
	res := q.ex.response(h)
	res.FillH2(&q.fields)
	q.sent += int64(len(h.Buf))
	err := q.stream.WriteHead(q.batch, &q.fields, q.ended)
	if errors.Is(err, http2.ErrHeadTooLarge) {
		return ReplyLargeResponse
	}
	q.takesStatus = takesStatus
	return err
}

// Body sends a piece; the last one of a body of known size carries the end with it.
func (q *requestH2) Body(p []byte) error {
	if q.left >= 0 {
		if q.left -= int64(len(p)); q.left == 0 {
			q.ended = true
		}
	}
	q.sent += int64(len(p))
	return q.write(p, q.ended)
}

// Offer sends as much of a piece as the client's windows take.
func (q *requestH2) Offer(p []byte) (int, error) {
	if q.pipe == nil {
		return len(p), q.Body(p)
	}
	n, err := q.pipe.TryWrite(q.batch, p, q.left == int64(len(p)))
	q.sent += int64(n)
	if q.left >= 0 {
		q.left -= int64(n)
		q.ended = q.left == 0
	}
	return n, err
}

func (q *requestH2) AwaitRoom()       { q.pipe.AwaitRoom() }
func (q *requestH2) Ahead(u upstream) { u.Ahead(q.stream.Ahead()) }

// ParkUnread gives up memory too.
func (q *requestH2) ParkUnread() bool {
	q.Fit()
	return q.pipe.Park((*unreadH2)(q))
}

// write sends bytes of the body, and with end its end. It waits for the client's windows; the reading goroutine leaves
// that to another.
func (q *requestH2) write(p []byte, end bool) error {
	if q.pipe != nil {
		return q.pipe.Write(q.batch, p, end)
	}
	n, err := q.stream.WriteData(q.batch, p, end)
	if n < len(p) && err == nil {
		q.conn.finish(q.stream, q.events, p[n:], end)
	}
	return err
}

func (q *requestH2) End(t *message.Head) error {
	var err error
	switch {
	case q.ended:
	case t != nil:
		q.fields.Reset()
		FillTrailers(&q.fields, t)
		err = q.stream.WriteTrailers(q.batch, &q.fields)
		if errors.Is(err, http2.ErrHeadTooLarge) {
			err = ReplyLargeResponse
		}
	default:
		err = q.write(nil, true)
	}
	q.ended = true
	q.flush()
	return err
}

func (q *requestH2) Flush() error {
	q.flush()
	if q.pipe == nil {
		return nil
	}
	return q.pipe.Err()
}

// Abort ends the stream, by trailers where its client understands them.
func (q *requestH2) Abort(why *route.LocalReply) {
	if !q.takesStatus || q.ended || !q.endCall(why) {
		q.ex.record.NoteReset(q.ex.decision.GRPC, why)
		q.stream.Reset(q.batch, ResetCode(why))
	}
	q.flush()
}

// endCall ends a call by trailers that say why, if that is to be done.
func (q *requestH2) endCall(why *route.LocalReply) bool {
	if !EndsCall(why) {
		return false
	}
	q.fields.Reset()
	FillStatus(&q.fields, why)
	q.ended = q.stream.WriteTrailers(q.batch, &q.fields) == nil
	return q.ended
}
