package proxy

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// relay2 is an exchange from HTTP/2 to HTTP/2 that no goroutine carries: the reading goroutines of the two connections pass it on, event by
// event. It decides by the same calls as every other exchange; what would have to wait (a connection to be made, a retry) is left to the
// exchanges that have a goroutine.
type relay2 struct {
	exchange
	conn   *server2
	client *http2.Stream // the stream of the request
	server *http2.Stream // the one it goes on in
	toUp   http2.Relay
	toDown http2.Relay

	in, out atomic.Int64 // bytes that have come from either side

	mu       sync.Mutex     // guards what follows and the exchange's fields; taken before a connection's lock, never under it
	sent     bool           // the request has been read to its end
	answered bool           // the final head has gone to the client
	failing  bool           // a fault is being answered
	unasked  bool           // the client waits for a 100 (Continue)
	proven   bool           // a long answer need not tell its endpoint's health any more
	timed    bool           // the endpoint's stream has a deadline
	headBy   int64          // when the head of the answer is due; 0 never
	silentBy int64          // when the next piece of it is; 0 never
	over     bool           // recorded: what still comes is only passed on
	refused  bool           // the endpoint wants no more of the request, and has said so
	code     http2.ErrCode  // in these words
	heir     http2.Receiver // who takes the client's events instead: see handOver
}

// clientEvents and serverEvents are a relay2 as the receiver of its two streams.
type (
	clientEvents relay2
	serverEvents relay2
)

// relay begins such an exchange, or returns it as far as it got: nothing has happened yet that a peer could see, but what the request has been
// given goes on with it.
func (d *server2) relay(b *http2.Batch, st *http2.Stream, h *message.Head, end bool) (http2.Receiver, *relay2) {
	r := &relay2{conn: d, client: st, sent: end}
	r.s, r.c, r.t, r.work, r.grpcStatus = d.s, &d.c, d.s.table.Load(), &d.work, noGRPCStatus
	http2.CopyHead(&r.req, h)
	if end {
		r.req.Body = message.NoBody
	}
	r.start = r.now()
	if r.decide() == nil && r.relayable() && r.tryEnter() && r.pick() == nil {
		if r.open(b, end) {
			return (*clientEvents)(r), nil
		}
		r.picked = r.ep
	}
	return nil, r
}

// relayable tells whether nothing about the request may ever have to wait for anything but its peers.
func (r *relay2) relayable() bool {
	return r.up.protocol != config.ProtocolHTTP1 && !r.rt.retry.repeats && r.rt.retry.perTry == 0 && (r.t.maxBody == 0 || r.sent || r.req.ContentLength >= 0)
}

// open opens the stream upstream, if the endpoint has a connection with room for it.
func (r *relay2) open(b *http2.Batch, end bool) bool {
	set, ok := r.ep.Shared().(*shared2)
	if !ok {
		return false
	}
	c := set.take()
	if c == nil {
		return false
	}
	r.mu.Lock() // events of the stream may come before Open returns
	defer r.mu.Unlock()
	f := b.Fields()
	r.fillRequest(f)
	st, err := c.OpenReserved(b, f, end, (*serverEvents)(r))
	if err != nil {
		return false
	}
	r.server = st
	r.client.SetStallTimeout(r.rt.cfg.Timeouts.Write)
	r.toDown.Init(st)
	r.attempts, r.tryStart = 1, r.start
	r.in.Store(int64(len(r.req.Buf)))
	r.active = r.c.settings.tele.Requests(r.method, r.c.scheme)
	r.active.Inc()
	if !end {
		r.toUp.Init(r.client)
		_ = r.toUp.Start(b, st) // nothing has come yet that it could not pass on
		r.unasked = r.req.Expect100
		r.awaitBody()
	}
	r.await()
	return true
}

// close records the exchange, once.
func (r *relay2) close(o cluster.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return
	}
	r.over = true
	if took := time.Duration(r.now() - r.tryStart); r.headAt > 0 {
		r.up.cluster.Telemetry().RecordRequest(r.status, took)
	} else if r.flag != telemetry.DC {
		r.up.cluster.Telemetry().RecordFailure(r.flag, took)
	}
	r.ep.Done(o)
	r.leave()
	r.active.Dec()
	r.read, r.written = r.in.Load(), r.out.Load()
	r.record()
}

// fail ends the exchange with a fault: by an answer where none has begun, else by a reset with code.
func (r *relay2) fail(b *http2.Batch, f *fault, code http2.ErrCode) {
	r.toUp.Stop(b)
	r.toDown.Stop(b)
	r.mu.Lock()
	if r.failing || r.over {
		r.mu.Unlock()
		return
	}
	answered, sent := r.answered, r.sent
	r.failing, r.answered = true, true
	r.flag, r.reason = f.flag, f
	if !answered {
		r.faultStatus(f)
	} else if r.grpc {
		r.grpcStatus = grpcCode(f) // which is what a caller makes of a reset
	}
	r.mu.Unlock()
	r.s.registry.Fault(f.flag).Inc()
	if f.outcome() != cluster.Ignored {
		r.explain(f)
	}
	switch {
	case f.flag == telemetry.DC:
	case answered, unprocessed(f.cause):
		r.client.Reset(b, code)
	default:
		r.tell(b, f, sent)
	}
	r.close(f.outcome())
}

// refuseRest tells the client that the endpoint wants no more of the request, once the client has all of the answer: a reset would cost it the rest.
func (r *relay2) refuseRest(b *http2.Batch) {
	r.mu.Lock()
	refused, code := r.refused, r.code
	r.mu.Unlock()
	if refused && r.toDown.Over() {
		r.client.Reset(b, code)
	}
}

// tell answers with the fault. sent: all of the request has come.
func (r *relay2) tell(b *http2.Batch, f *fault, sent bool) {
	h := &r.resp
	h.Reset()
	r.faultHead(h, f)
	fields := b.Fields()
	fields.Status(h.Status)
	fields.AddHead(h, 0)
	if h.Body == message.NoBody {
		_ = r.client.WriteHead(b, fields, true) // a stream that is gone needs no answer
	} else if r.client.WriteHead(b, fields, false) == nil {
		if n, _ := r.client.WriteData(b, []byte(f.text+"\n"), true); n <= len(f.text) {
			r.client.Reset(b, http2.InternalError) // a window smaller than one line
		}
	}
	if !sent {
		r.client.Reset(b, http2.NoError) // the rest of the request is of no use
	}
}

// outcome is what the whole answer says about the endpoint.
func (ex *exchange) outcome() cluster.Outcome {
	if ex.status >= 500 || grpcFailed(ex.grpcStatus) {
		return cluster.ServerError
	}
	return cluster.Success
}

// The client's stream.

func (e *clientEvents) Head(*http2.Batch, *http2.Stream, *message.Head, bool) {}

func (e *clientEvents) Data(b *http2.Batch, _ *http2.Stream, p []byte, end bool) {
	r := (*relay2)(e)
	r.in.Add(int64(len(p)))
	r.toUp.Data(b, p, end)
	r.bodyComes(end)
}

func (e *clientEvents) Trailers(b *http2.Batch, st *http2.Stream, h *message.Head) {
	r := (*relay2)(e)
	f := b.Fields()
	f.AddHead(vetted(h), neverTrailer)
	switch err := r.toUp.Trailers(b, f); {
	case errors.Is(err, http2.ErrDiverted):
		r.successor().Trailers(b, st, h)
	case err != nil:
		r.fail(b, faultLargeRequest, http2.InternalError)
	default:
		r.bodyComes(true)
	}
}

func (e *clientEvents) Reset(b *http2.Batch, st *http2.Stream, code http2.ErrCode, cause error) {
	r := (*relay2)(e)
	r.server.Reset(b, code)
	r.fail(b, &fault{499, telemetry.DC, "client went away", &http2.ResetError{Code: code, Cause: cause}}, code)
	if heir := r.successor(); heir != nil {
		heir.Reset(b, st, code, cause)
	}
}

func (e *clientEvents) Writable(b *http2.Batch, st *http2.Stream) {
	r := (*relay2)(e)
	if heir := r.successor(); heir != nil {
		heir.Writable(b, st)
		return
	}
	if r.toDown.Writable(b) != nil {
		r.server.Reset(b, http2.Cancel) // the rest of the request is of no use
		r.fail(b, faultLargeAnswer, http2.InternalError)
	}
	r.answerComes()
	r.refuseRest(b)
}

// The endpoint's stream.

func (e *serverEvents) Head(b *http2.Batch, st *http2.Stream, h *message.Head, end bool) {
	r := (*relay2)(e)
	final := h.Status >= 200
	r.mu.Lock()
	if r.answered {
		r.mu.Unlock()
		return
	}
	if final {
		r.answered, r.status, r.headAt = true, h.Status, r.now()
		r.noteGRPC(h)
		r.proven = r.outcome() != cluster.Success
		if !r.sent {
			r.awaitBody()
		}
		if !end {
			r.awaitAnswer()
		}
	} else if h.Status == 100 && r.unasked {
		r.unasked = false
		r.awaitBody()
		r.await()
	}
	r.mu.Unlock()
	r.out.Add(int64(len(h.Buf)))
	f := b.Fields()
	f.Status(h.Status)
	f.AddHead(h, responseDrop(h))
	err := r.client.WriteHead(b, f, end)
	switch {
	case !final: // one that is too large is left out
	case errors.Is(err, http2.ErrHeadTooLarge):
		st.Reset(b, http2.Cancel)
		r.fail(b, faultLargeAnswer, http2.InternalError)
	case err != nil: // what became of the client's stream, its own Reset tells
	case end:
		r.toDown.Stop(b) // there is nothing to pass
		r.close(r.outcome())
	default:
		_ = r.toDown.Start(b, r.client) // nothing has come yet that it could not pass on
	}
}

func (e *serverEvents) Data(b *http2.Batch, _ *http2.Stream, p []byte, end bool) {
	r := (*relay2)(e)
	r.out.Add(int64(len(p)))
	r.toDown.Data(b, p, end)
	if end {
		r.close(r.outcome())
		return
	}
	r.answerComes()
}

func (e *serverEvents) Trailers(b *http2.Batch, st *http2.Stream, h *message.Head) {
	r := (*relay2)(e)
	r.mu.Lock()
	r.noteGRPC(h)
	r.mu.Unlock()
	f := b.Fields()
	f.AddHead(vetted(h), neverTrailer)
	if r.toDown.Trailers(b, f) != nil {
		st.Reset(b, http2.Cancel) // the rest of the request is of no use
		r.fail(b, faultLargeAnswer, http2.InternalError)
		return
	}
	r.close(r.outcome())
}

func (e *serverEvents) Reset(b *http2.Batch, _ *http2.Stream, code http2.ErrCode, cause error) {
	r := (*relay2)(e)
	r.mu.Lock()
	over := r.over
	r.refused, r.code = over, code
	r.mu.Unlock()
	if over { // the answer is whole: the endpoint only wants no more of the request
		r.toUp.Stop(b)
		r.refuseRest(b)
		return
	}
	f := upstreamFault(&http2.ResetError{Code: code, Cause: cause})
	if !unprocessed(cause) {
		f = r.late(f)
	} else if r.handOver(b) {
		return
	}
	r.fail(b, f, code)
}

func (e *serverEvents) Writable(b *http2.Batch, _ *http2.Stream) {
	if e.toUp.Writable(b) != nil {
		(*relay2)(e).fail(b, faultLargeRequest, http2.InternalError)
	}
}
