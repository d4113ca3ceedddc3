package proxy

import (
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
)

// The time limits of a relay2. Those of the answer are the deadline of the endpoint's stream, those of the request's body that of the client's.

// await sets the time for the response head. It runs from the end of the request, or while the client waits to be asked for its body (100-continue).
// Called with the lock held.
func (r *relay2) await() {
	timeout := r.rt.cfg.Timeouts.Upstream
	if r.grpc {
		timeout = r.rt.cfg.Timeouts.UpstreamGRPC
	}
	r.headBy = r.deadline
	if (r.sent || r.unasked) && timeout > 0 {
		r.headBy = sooner(r.headBy, r.now()+int64(timeout))
	}
	if r.headBy > 0 || r.timed {
		r.timed = true
		r.server.SetDeadline(r.headBy)
	}
}

// awaitBody sets the time for the next piece of the request's body, which ends with the answer's head. A caller of gRPC may be silent in a call
// for as long as it likes, and so may a client that waits to be asked. Called with the lock held.
func (r *relay2) awaitBody() {
	if r.grpc || r.unasked || r.t.timeouts.Read <= 0 {
		return
	}
	at := int64(0)
	if !r.sent && !r.answered && !r.over {
		at = r.now() + int64(r.t.timeouts.Read)
	}
	r.client.SetDeadline(at)
}

// bodyComes notes a piece of the request's body, with end the last one.
func (r *relay2) bodyComes(end bool) {
	if r.grpc && !end {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.answered || r.over {
		return
	}
	asked := r.unasked
	r.sent, r.unasked = end, false
	r.awaitBody()
	if end || asked {
		r.await()
	}
}

// Timeout of the client's stream: a piece of the body is due. What waits for the endpoint to take it has come.
func (e *clientEvents) Timeout(b *http2.Batch, st *http2.Stream) {
	r := (*relay2)(e)
	r.mu.Lock()
	heir := r.heir
	over := r.sent || r.answered || r.over
	if !over && r.toUp.Holding() {
		r.awaitBody()
		over = true
	}
	r.mu.Unlock()
	switch {
	case heir != nil:
		heir.Timeout(b, st)
	case !over:
		r.server.Reset(b, http2.Cancel)
		r.fail(b, faultSlowBody, http2.Cancel)
	}
}

// awaitAnswer sets the time for the next piece of the answer's body. There is none while the client does not take what there is: the endpoint can
// not send more than that. Called with the lock held.
func (r *relay2) awaitAnswer() {
	r.silentBy = 0
	if idle := r.rt.cfg.Timeouts.ResponseIdle; idle > 0 && !r.toDown.Holding() {
		r.silentBy = r.now() + int64(idle)
	}
	r.server.SetDeadline(r.answerBy())
}

// answerBy is when something is to be looked at inside the answer. Called with the lock held.
func (r *relay2) answerBy() int64 {
	at := sooner(r.deadline, r.silentBy)
	if !r.proven {
		at = sooner(at, r.headAt+int64(provenAfter))
	}
	return at
}

// answerComes notes that the answer has gone on, or can.
func (r *relay2) answerComes() {
	if r.rt.cfg.Timeouts.ResponseIdle <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.headAt > 0 && !r.over {
		r.awaitAnswer()
	}
}

// Timeout of the endpoint's stream: the head of the answer is due, or its next piece, or its first second is over.
func (e *serverEvents) Timeout(b *http2.Batch, st *http2.Stream) {
	r := (*relay2)(e)
	if !r.due(st) {
		return
	}
	st.Reset(b, http2.Cancel)
	r.fail(b, r.late(faultTimeout), http2.Cancel)
}

// due tells whether a moment that has passed ends the exchange.
func (r *relay2) due(st *http2.Stream) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, at := r.now(), r.headBy
	if r.headAt > 0 {
		if !r.proven && now >= r.headAt+int64(provenAfter) {
			r.proven = true // once: later on it says nothing new
			if !r.over {
				r.ep.Report(cluster.Success)
			}
		}
		at = r.answerBy()
	}
	if at > 0 && at <= now {
		return true
	}
	st.SetDeadline(at)
	return false
}
