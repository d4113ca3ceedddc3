package forward

import (
	"runtime"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// A request of HTTP/2 without a body may be for an endpoint that speaks HTTP/1.1 and has a connection to spare. It
// needs no goroutine of its own as long as nothing has to be waited for. The reading goroutine of the client's
// connection sends it at once. When it has handled all frames that had come, and the other goroutines have had their
// turn, it polls for the responses. Those that are whole by then it passes on, by the same calls as every exchange,
// and all of them leave with one write. The others go on in a goroutine each, from where they are. It saves a fifth of
// the CPU time of such a request where many streams are busy. It costs a look at the socket where few are.

// inlineHeadBytes is the largest request head that is sent inline: a socket that has nothing else to send takes it.
const inlineHeadBytes = 4 << 10

// inlineResult is what came of sending a request inline.
type inlineResult uint8

const (
	notInline inlineResult = iota // who goes on takes over what has been leased
	inlineSent
	inlinePanicked // and given up
)

// sendInline sends a request that has been decided on, if that needs no waiting.
func (q *requestH2) sendInline() (result inlineResult) {
	ex := &q.ex
	defer func() {
		if ex.engine.recovered(recover()) {
			ex.giveUp()
			result = inlinePanicked
		}
	}()
	if !ex.mayInline() || !ex.place.TryTake(ex.decision.Upstream.Queue) || ex.attempt.Pick(&ex.decision) != nil {
		return notInline
	}
	a := &ex.attempt
	c := a.Endpoint.Take()
	if c == nil {
		return notInline
	}
	u := reuse(c)
	a.Start, a.up = ex.record.Start, u
	if !ex.sound(u) {
		a.up = nil
		_ = u.Close()
		return notInline
	}
	ex.record.Begin(ex.client, ex.decision.Method)
	u.SetWriteTimeout(ex.decision.Table.Timeouts.Write)
	head := ex.requestHead()
	u.w.Head(head.appendH1(u.w.Begin()), false)
	u.w.TryFlush()
	a.Begin(ex.record.Start)
	a.state = sentInline
	return inlineSent
}

// mayInline tells whether nothing but the endpoint may have to be waited for.
func (ex *exchange) mayInline() bool {
	p := ex.policy()
	return !ex.decision.Pending && ex.decision.Mirror == nil && ex.decision.Upstream.Protocol == config.ProtocolHTTP1 &&
		!p.Replays && p.PerTry == 0 && len(ex.req.Buf) <= inlineHeadBytes
}

// complete tells whether the whole response has come and can be passed on without waiting.
func (q *requestH2) complete() bool {
	a, h := &q.ex.attempt, &q.ex.resp
	u := a.up.(*upstreamH1)
	if u.w.Pending() > 0 {
		return false
	}
	q.Ahead(u)
	read, err := u.r.TryResponse(h, q.ex.decision.Head)
	if !read {
		return false
	}
	a.state, a.headErr = headRead, err
	if err != nil || h.Status < 200 {
		return false
	}
	n := 0
	if h.Body == message.Sized {
		n = u.r.Buffered()
	}
	return (h.Body == message.NoBody || h.Body == message.Sized && h.ContentLength <= int64(n)) && q.stream.Room(n)
}

// resumeInline goes on with the requests that were sent inline. It is called before the batch is written. Where some of
// the responses are there the others are not far: they are worth a second look, which costs less than a goroutine each.
func (c *ConnH2) resumeInline(*http2.Batch) {
	if sent := len(c.inline); c.passInline() && len(c.inline) < sent {
		runtime.Gosched()
		c.passInline()
	}
	c.giveUpInline()
}

// passInline passes on the responses that have come, and reports whether there are others.
func (c *ConnH2) passInline() (more bool) {
	left := c.inline[:0]
	for i, q := range c.inline {
		c.inline[i] = nil // it is in one hand only, whatever happens in the other
		if q.ex.attempt.state != sentInline || !q.complete() {
			left = append(left, q)
			continue
		}
		q.ex.serve()
		q.release()
	}
	c.inline = left
	return len(left) > 0
}

// giveUpInline gives those that are left a goroutine each.
func (c *ConnH2) giveUpInline() {
	for i, q := range c.inline {
		c.inline[i] = nil
		if q == nil { // a panic of the connection's came in between
			continue
		}
		events, st := q.events, q.stream // q is its goroutine's in a moment
		events.pass(c.carry(q), st)
	}
	c.inline = c.inline[:0]
}

// inlineEvents takes the events of a stream whose request the reading goroutine carries, and later passes them to who
// goes on. It is that goroutine's alone, and not pooled: an event may come late.
type inlineEvents struct {
	to    http2.Receiver // nil: nobody yet
	reset bool
	code  http2.ErrCode
	cause error
}

// pass names who takes the events from now on. A reset that has come is told at once.
func (e *inlineEvents) pass(to http2.Receiver, s *http2.Stream) {
	e.to = to
	if e.reset {
		to.Reset(nil, s, e.code, e.cause)
	}
}

func (e *inlineEvents) Reset(b *http2.Batch, s *http2.Stream, code http2.ErrCode, cause error) {
	if e.to != nil {
		e.to.Reset(b, s, code, cause)
		return
	}
	e.reset, e.code, e.cause = true, code, cause
}

func (e *inlineEvents) Writable(b *http2.Batch, s *http2.Stream) {
	if e.to != nil {
		e.to.Writable(b, s)
	}
}

func (e *inlineEvents) Timeout(b *http2.Batch, s *http2.Stream) {
	if e.to != nil {
		e.to.Timeout(b, s)
	}
}

// The request has ended: nothing else comes.
func (e *inlineEvents) Head(*http2.Batch, *http2.Stream, *message.Head, bool)  {}
func (e *inlineEvents) Data(b *http2.Batch, s *http2.Stream, p []byte, _ bool) { s.Consumed(b, len(p)) }
func (e *inlineEvents) Trailers(*http2.Batch, *http2.Stream, *message.Head)    {}
