package relay

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// The events of the client's stream.

func (e *clientEvents) Head(*http2.Batch, *http2.Stream, *message.Head, bool) {}

func (e *clientEvents) Data(b *http2.Batch, _ *http2.Stream, p []byte, end bool) {
	r := (*relay)(e)
	defer r.unwind()
	r.received.Add(int64(len(p)))
	r.toUp.Data(b, p, end)
	r.bodyComes(end)
}

func (e *clientEvents) Trailers(b *http2.Batch, st *http2.Stream, h *message.Head) {
	r := (*relay)(e)
	defer r.unwind()
	f := b.Fields()
	forward.FillRequestTrailers(f, h, &r.decision)
	switch err := r.toUp.Trailers(b, f); {
	case errors.Is(err, http2.ErrDiverted):
		r.fallenBack().Trailers(b, st, h)
	case err != nil:
		r.fail(b, forward.ReplyLargeRequest)
	default:
		r.bodyComes(true)
	}
}

func (e *clientEvents) Reset(b *http2.Batch, st *http2.Stream, code http2.ErrCode, cause error) {
	r := (*relay)(e)
	defer r.unwind()
	r.server.Reset(b, code)
	reset := &http2.ResetError{Code: code, Cause: cause}
	r.fail(b, &route.LocalReply{Status: 499, Flag: telemetry.DC, Text: "client went away", Cause: reset})
	if to := r.fallenBack(); to != nil {
		to.Reset(b, st, code, cause)
	}
}

func (e *clientEvents) Writable(b *http2.Batch, st *http2.Stream) {
	r := (*relay)(e)
	defer r.unwind()
	if to := r.fallenBack(); to != nil {
		to.Writable(b, st)
		return
	}
	r.replyGoesOn(b)
	if r.toDown.Writable(b) != nil {
		r.server.Reset(b, http2.Cancel) // the rest of the request is of no use
		r.fail(b, forward.ReplyLargeResponse)
	}
	r.responseComes()
	r.refuseRest(b)
}

// Timeout: a piece of the body is due.
func (e *clientEvents) Timeout(b *http2.Batch, st *http2.Stream) {
	r := (*relay)(e)
	defer r.unwind()
	switch late, to := r.bodyLate(); {
	case to != nil:
		to.Timeout(b, st)
	case late:
		r.server.Reset(b, http2.Cancel)
		r.fail(b, forward.ReplySlowBody)
	}
}
