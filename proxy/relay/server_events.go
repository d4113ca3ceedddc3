package relay

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// The events of the endpoint's stream.

func (e *serverEvents) Head(b *http2.Batch, st *http2.Stream, h *message.Head, end bool) {
	r := (*relay)(e)
	defer r.unwind()
	if !r.headComes(h, end) {
		return
	}
	r.sent.Add(int64(len(h.Buf)))
	f := b.Fields()
	if h.Status < 200 {
		forward.FillInterim(f, h)
	} else {
		r.fillResponse(f, h)
	}
	err := r.client.WriteHead(b, f, end)
	switch {
	case h.Status < 200: // one that is too large is left out
	case errors.Is(err, http2.ErrHeadTooLarge):
		st.Reset(b, http2.Cancel)
		r.neverBegan()
		r.fail(b, forward.ReplyLargeResponse)
	case err != nil: // the Reset of the client's stream tells what happened to it
	case end:
		r.toDown.Stop(b) // there is nothing to pass
		r.end()
	default:
		_ = r.toDown.Start(b, r.client) // nothing has come yet that it could not pass on
	}
}

// neverBegan notes that the head of the response did not reach the client after all.
func (r *relay) neverBegan() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.takesStatus = false
}

// headComes notes a response head, and tells whether it is to be passed on.
func (r *relay) headComes(h *message.Head, end bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.response != awaitingHead:
		return false
	case h.Status >= 200:
		r.toUp.NeverDivert()
		r.response, r.record.Status, r.attempt.HeadAt = streaming, h.Status, r.conn.Engine.Now()
		r.takesStatus = forward.TakesStatus(&r.decision, h)
		r.record.NoteGRPC(r.decision.GRPC, h)
		r.wait.proven = r.outcome() != cluster.Success
		if r.request != requestSent {
			r.awaitBody()
		}
		if !end {
			r.awaitResponse()
		}
	case h.Status == 100 && r.request == requestExpected:
		r.request = requestOpen
		r.awaitBody()
		r.awaitHead()
	}
	return true
}

func (e *serverEvents) Data(b *http2.Batch, _ *http2.Stream, p []byte, end bool) {
	r := (*relay)(e)
	defer r.unwind()
	r.sent.Add(int64(len(p)))
	r.toDown.Data(b, p, end)
	if end {
		r.end()
		return
	}
	r.responseComes()
}

func (e *serverEvents) Trailers(b *http2.Batch, st *http2.Stream, h *message.Head) {
	r := (*relay)(e)
	defer r.unwind()
	r.noteTrailers(h)
	f := b.Fields()
	forward.FillTrailers(f, h)
	if r.toDown.Trailers(b, f) != nil {
		st.Reset(b, http2.Cancel) // the rest of the request is of no use
		r.fail(b, forward.ReplyLargeResponse)
		return
	}
	r.end()
}

func (r *relay) noteTrailers(h *message.Head) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.NoteGRPC(r.decision.GRPC, h)
}

func (e *serverEvents) Reset(b *http2.Batch, _ *http2.Stream, code http2.ErrCode, cause error) {
	r := (*relay)(e)
	defer r.unwind()
	if r.noteRefused(code) { // the response is whole: the endpoint only wants no more of the request
		r.toUp.Stop(b)
		r.refuseRest(b)
		return
	}
	reply := forward.UpstreamReply(&http2.ResetError{Code: code, Cause: cause})
	if !forward.Unprocessed(cause) {
		reply = forward.Late(reply, &r.decision, r.conn.Engine.Now())
	} else if r.fallBack(b, reply) {
		return
	}
	r.fail(b, reply)
}

// noteRefused notes that no more of the request is wanted, if the whole response has come, and tells whether it has.
func (r *relay) noteRefused(code http2.ErrCode) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.response != done {
		return false
	}
	r.refused, r.code = true, code
	return true
}

func (e *serverEvents) Writable(b *http2.Batch, _ *http2.Stream) {
	r := (*relay)(e)
	defer r.unwind()
	if r.toUp.Writable(b) != nil {
		r.fail(b, forward.ReplyLargeRequest)
	}
}

// Timeout: the head of the response is due, or its next piece, or it has lasted long enough to prove its endpoint.
func (e *serverEvents) Timeout(b *http2.Batch, st *http2.Stream) {
	r := (*relay)(e)
	defer r.unwind()
	late, since := r.due(st)
	if !late {
		return
	}
	st.Doubt(since)
	st.Reset(b, http2.Cancel)
	if r.noteRefused(http2.NoError) { // the client still has to take some of the response, or sends more
		r.toUp.Stop(b)
		r.refuseRest(b)
		return
	}
	r.fail(b, forward.Late(forward.ReplyTimeout, &r.decision, r.conn.Engine.Now()))
}
