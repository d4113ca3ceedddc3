package proxy

import (
	"bytes"
	"runtime"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// A request of HTTP/2 without a body, for an endpoint that speaks HTTP/1.1 and has a connection to spare, needs no goroutine of its own as long as
// nothing has to be waited for. The reading goroutine of the client's connection sends it at once. When it has handled all frames that had come, and
// the other goroutines have had their turn, it looks for the answers; those that are whole by then it passes on, by the same calls as every
// exchange, and all of them leave with one write. The others go on in a goroutine each, from where they are. It saves a fifth of the CPU time of
// such a request where many streams are busy, and costs a look at the socket where few are.

// early1 is what was done of a try before the exchange got its goroutine.
type early1 struct {
	u    *upstream1 // the request has gone out on it, or is about to; nil: nothing was done
	head bool       // the first head of the answer has been read,
	err  error      // or this has come of reading it
}

// earlyHead is the largest request head that is sent early: a socket that has nothing else to send takes it.
const earlyHead = 4 << 10

// sendEarly sends the request if that needs no waiting, and tells whether it did. If not, what it has decided is not decided again.
func (q *request2) sendEarly() bool {
	ex := &q.exchange
	if ex.t == nil {
		ex.t = ex.s.table.Load()
	}
	if ex.decide() != nil || !ex.sendsEarly() || !ex.tryEnter() || ex.pick() != nil {
		return false
	}
	ex.picked = ex.ep // whoever goes on takes the lease from there
	c := ex.ep.Take()
	if c == nil {
		return false
	}
	u := again(c)
	ex.tryStart = ex.start
	if !ex.sound(u) {
		_ = u.Close()
		return false
	}
	ex.begin()
	u.SetWriteTimeout(ex.t.timeouts.Write)
	u.w.Head(ex.appendRequest(u.w.Begin(), ex.ep.Address()), false)
	u.w.TryFlush()
	ex.early = early1{u: u}
	return true
}

// sendsEarly tells whether nothing but the endpoint may have to be waited for.
func (ex *exchange) sendsEarly() bool {
	return ex.up.protocol == config.ProtocolHTTP1 && !ex.rt.retry.repeats && ex.rt.retry.perTry == 0 && len(ex.req.Buf) <= earlyHead
}

// answered reads the answer, if it has come. It tells whether it is whole, and the client's windows take it.
func (q *request2) answered() bool {
	e, h := &q.early, &q.resp
	if e.u.w.Pending() > 0 {
		return false
	}
	e.head, e.err = e.u.r.TryResponse(h, q.exchange.head)
	if !e.head || e.err != nil || h.Status < 200 {
		return false
	}
	n := 0
	if h.Body == message.Sized {
		n = e.u.r.Buffered()
	}
	return (h.Body == message.NoBody || h.Body == message.Sized && h.ContentLength <= int64(n)) && q.stream.Room(n)
}

// answerEarly goes on with the requests that were sent early. It is called before the batch is written. Where some of the answers are there the
// others are not far: they are worth a second look, which costs less than a goroutine each.
func (d *server2) answerEarly(*http2.Batch) {
	if sent := len(d.early); d.passOn() && len(d.early) < sent {
		runtime.Gosched()
		d.passOn()
	}
	d.giveUpEarly()
}

// passOn passes on the answers that have come, and reports whether there are others.
func (d *server2) passOn() (more bool) {
	left := d.early[:0]
	for i, q := range d.early {
		d.early[i] = nil // it is in one hand only, whatever happens in the other
		if q.early.head || !q.answered() {
			left = append(left, q)
			continue
		}
		d.s.handle(&q.exchange)
		if !q.crashed {
			q.release()
		}
	}
	d.early = left
	return len(left) > 0
}

// giveUpEarly gives those that are left a goroutine each.
func (d *server2) giveUpEarly() {
	for i, q := range d.early {
		d.early[i] = nil
		if q == nil { // a panic of the connection's came in between
			continue
		}
		events, st := q.events, q.stream // q is its goroutine's in a moment
		events.pass(d.handOver(q), st)
	}
	d.early = d.early[:0]
}

// finish sends the rest of an answer, for which another stream has taken the window that was seen to be there, from a goroutine that ends when it
// has; serve waits for it.
func (d *server2) finish(st *http2.Stream, events *events2, p []byte, end bool) {
	pipe := http2.NewPipe()
	pipe.Attach(st, true)
	events.pass(pipe.Receiver(), st)
	p = bytes.Clone(p)
	d.requests.Go(func() {
		var own http2.Batch
		_ = pipe.Write(&own, p, end) // what is wrong with the client's stream, nobody needs to know any more
		own.Flush()
		pipe.Close()
	})
}

// events2 takes the events of a stream whose request the reading goroutine carries, and later passes them to who goes on. It is that
// goroutine's alone, and not pooled: an event may come late.
type events2 struct {
	to    http2.Receiver // nil: nobody yet
	reset bool
	code  http2.ErrCode
	cause error
}

// pass names who takes the events from now on. A reset that has come is told at once.
func (e *events2) pass(to http2.Receiver, s *http2.Stream) {
	e.to = to
	if e.reset {
		to.Reset(nil, s, e.code, e.cause)
	}
}

func (e *events2) Reset(b *http2.Batch, s *http2.Stream, code http2.ErrCode, cause error) {
	if e.to != nil {
		e.to.Reset(b, s, code, cause)
		return
	}
	e.reset, e.code, e.cause = true, code, cause
}

func (e *events2) Writable(b *http2.Batch, s *http2.Stream) {
	if e.to != nil {
		e.to.Writable(b, s)
	}
}

func (e *events2) Timeout(b *http2.Batch, s *http2.Stream) {
	if e.to != nil {
		e.to.Timeout(b, s)
	}
}

// The request has ended: nothing else comes.
func (e *events2) Head(*http2.Batch, *http2.Stream, *message.Head, bool)  {}
func (e *events2) Data(b *http2.Batch, s *http2.Stream, p []byte, _ bool) { s.Consumed(b, len(p)) }
func (e *events2) Trailers(*http2.Batch, *http2.Stream, *message.Head)    {}
