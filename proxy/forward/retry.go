package forward

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// replayable tells whether sending a request once more cannot do harm. Its method is idempotent (RFC 9110 section
// 9.2.2) and what was read of its body is kept. POST and PATCH are, only where the route asks for retries on resets.
func replayable(p *route.RetryPolicy, m telemetry.Method, bodyKept bool) bool {
	if !bodyKept {
		return false
	}
	switch m {
	case telemetry.MethodGet, telemetry.MethodHead, telemetry.MethodOptions, telemetry.MethodTrace, telemetry.MethodPut,
		telemetry.MethodDelete:
		return true
	case telemetry.MethodPost, telemetry.MethodPatch:
		return p.Reset
	}
	return false
}

// failedAttempt is what decides whether a request is sent again whose attempt ended without a response.
type failedAttempt struct {
	flag       telemetry.Flag
	grpc       bool
	noStream   bool // the endpoint had no stream of HTTP/2 left in time
	unsent     bool // no byte of the request was written, or the endpoint says that it did nothing with it
	bodyKept   bool
	replayable bool
}

// retryable tells whether the policy wants another attempt after a, and no harm can come of it.
func retryable(p *route.RetryPolicy, a failedAttempt) bool {
	harmless := a.bodyKept && (a.unsent || a.replayable)
	connect := p.Connect || p.Unavailable && a.grpc // which is what the caller would see
	switch a.flag {
	case telemetry.UF:
		return connect && harmless
	case telemetry.UC:
		return p.Reset && harmless || connect && harmless && a.unsent
	case telemetry.UT:
		return p.Timeout && harmless
	case telemetry.UO:
		return connect && harmless && a.noStream
	}
	return false
}

// backoffLimit is the longest wait before attempt number n+1: a bound that doubles.
func backoffLimit(n int) time.Duration {
	const base, most = 25 * time.Millisecond, 250 * time.Millisecond
	return min(base<<min(n-1, 8), most)
}

func (ex *exchange) replayable() bool {
	return replayable(ex.policy(), ex.decision.Method, ex.upload.buffer.whole())
}

// again tells whether the request whose attempt ended in out is attempted once more.
func (ex *exchange) again(out *result) bool {
	if out.reply == replyRetry {
		return true // decided, and counted, when the response was there
	}
	p := ex.policy()
	noStream := errors.Is(out.reply.Cause, errNoStream)
	ok := retryable(p, failedAttempt{
		flag: out.reply.Flag, grpc: ex.decision.GRPC, noStream: noStream, unsent: out.unsent,
		bodyKept: ex.upload.buffer.whole(), replayable: ex.replayable(),
	})
	if ok && (noStream || p.Failover && !Unprocessed(out.reply.Cause)) {
		// What an endpoint did not process it may take the next time. For a stream of it the request has waited.
		ok = ex.cluster().Untried(&ex.attempt.tried)
	}
	return ok && ex.mayRetry(out.unsent)
}

// dropsResponse tells whether the response whose head has come is dropped, because the route wants another attempt
// then.
func (ex *exchange) dropsResponse() bool {
	p, h := ex.policy(), &ex.resp
	again := h.Status >= 500 && p.OnStatus(h.Status) && ex.replayable() ||
		p.Unavailable && ex.decision.GRPC && saysUnavailable(h)
	if !again || !ex.upload.buffer.claim() {
		return false
	}
	if !ex.mayRetry(false) {
		ex.upload.buffer.unclaim()
		return false
	}
	return true
}

// dropped is what the response that is dropped says about the endpoint.
func (ex *exchange) dropped() cluster.Outcome {
	grpc := NoGRPCStatus
	if ex.decision.GRPC && saysUnavailable(&ex.resp) {
		grpc = grpcUnavailable
	}
	return ResponseOutcome(ex.decision.Upstream.Failures, ex.resp.Status, grpc)
}

// mayRetry tells whether there is an attempt left, nothing has been answered, and the cluster's retry budget allows it.
// It takes a place there, unless nothing was sent: then no endpoint has had work with the request.
func (ex *exchange) mayRetry(unsent bool) bool {
	if ex.attempt.Number >= ex.policy().Attempts || ex.down.Began() || Passed(ex.decision.Deadline, ex.now()) {
		return false
	}
	c := ex.cluster()
	if !unsent && !ex.retry.take(ex.decision.Upstream.Budget, c) {
		return false
	}
	c.Telemetry().Retries.Inc()
	return true
}

// earnRetry counts a request that succeeded at its first attempt towards the retry budget.
func (ex *exchange) earnRetry() {
	if ex.attempt.Number == 1 && ex.policy().Replays && ex.record.Status < 500 {
		ex.decision.Upstream.Budget.Earn(ex.cluster().Config().Limits.RetryBudget)
	}
}

// backoff waits before another attempt: a random time up to a bound that doubles. It ends early, with a reply, when the
// gateway cuts what is left at the end of its drain.
func (ex *exchange) backoff() *route.LocalReply {
	if ex.policy().Failover {
		return nil // another endpoint need not recover first
	}
	t := time.NewTimer(rand.N(backoffLimit(ex.attempt.Number)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ex.engine.ctx.Done():
		return ReplyGone
	}
	if Passed(ex.decision.Deadline, ex.now()) {
		return ReplyTimeout
	}
	if ex.gone(ex.down.Ended()) {
		return ReplyGone
	}
	return nil
}
