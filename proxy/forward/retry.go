package proxy

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// retryPolicy is what a route says about trying again. The zero value never does.
type retryPolicy struct {
	attempts                             int // tries in all
	connect, reset, timeout, unavailable bool
	statuses                             []int
	perTry                               time.Duration // longest wait of one try for the response head; 0 none

	failover bool // the route says nothing: only to endpoints not tried yet, and at once
	repeats  bool // also requests that were sent
}

// failovers bounds the endpoints that a request is tried on where its route says nothing about retries. It is what [cluster.Tried] remembers,
// and what L4 does.
const failovers = 4

func compileRetry(c *config.Retries) retryPolicy {
	if len(c.On) == 0 { // no harm can come of a connection that could not be made
		return retryPolicy{attempts: failovers, connect: true, failover: true}
	}
	p := retryPolicy{attempts: c.Attempts, perTry: c.PerTryTimeout}
	for _, on := range c.On {
		switch on {
		case config.RetryConnectFailure:
			p.connect = true
		case config.RetryReset:
			p.reset = true
		case config.RetryTimeout:
			p.timeout = true
		case config.RetryUnavailable:
			p.unavailable = true
		default:
			if n, err := strconv.Atoi(on); err == nil {
				p.statuses = append(p.statuses, n)
			}
		}
	}
	p.repeats = p.attempts > 1 && (p.reset || p.timeout || p.unavailable || len(p.statuses) > 0)
	return p
}

func (p *retryPolicy) status(n int) bool { return slices.Contains(p.statuses, n) }

// faultTryAgain stands for an answer that is not passed on because the request is sent again.
var faultTryAgain = &fault{status: 503, flag: telemetry.UC, text: "upstream answered with an error"}

// replayable tells whether sending the request once more cannot do harm: its method is idempotent (RFC 9110 section 9.2.2) and what was read
// of its body is held. POST and PATCH are, only where the route asks for retries on resets.
func (ex *exchange) replayable() bool {
	if !ex.bodyHeld() {
		return false
	}
	switch ex.method {
	case telemetry.MethodGet, telemetry.MethodHead, telemetry.MethodOptions, telemetry.MethodTrace, telemetry.MethodPut, telemetry.MethodDelete:
		return true
	case telemetry.MethodPost, telemetry.MethodPatch:
		return ex.rt.retry.reset
	}
	return false
}

// again tells whether the request that ended in out is tried once more.
func (ex *exchange) again(out *result) bool {
	if out.fault == faultTryAgain {
		return true // decided, and counted, when the answer was there
	}
	p := &ex.rt.retry
	harmless := ex.bodyHeld() && (out.unsent || ex.replayable())
	connect := p.connect || p.unavailable && ex.grpc // which is what the caller would see
	ok := false
	switch out.fault.flag {
	case telemetry.UF:
		ok = connect && harmless
	case telemetry.UC:
		ok = p.reset && harmless || connect && harmless && out.unsent
	case telemetry.UT:
		ok = p.timeout && ex.replayable()
	}
	if ok && p.failover {
		ok = ex.up.cluster.Untried(&ex.tried)
	}
	return ok && ex.mayRetry(out.unsent)
}

// repeatsAnswer tells whether the answer whose head has come is dropped, because the route wants another try then.
func (ex *exchange) repeatsAnswer() bool {
	p := &ex.rt.retry
	again := ex.resp.Status >= 500 && p.status(ex.resp.Status) && ex.replayable() || p.unavailable && ex.unavailable()
	if !again || !ex.claim() {
		return false
	}
	if !ex.mayRetry(false) {
		ex.unclaim()
		return false
	}
	return true
}

// mayRetry tells whether there is a try left, nothing has been answered, and the cluster's retry budget allows it. It takes a place there,
// unless nothing was sent: then no endpoint has had work with the request.
func (ex *exchange) mayRetry(unsent bool) bool {
	if ex.attempts >= ex.rt.retry.attempts || ex.d.Began() || ex.deadline > 0 && ex.now() >= ex.deadline {
		return false
	}
	if !unsent {
		ex.endRetry()
		if !ex.up.budget.take(ex.up.cluster.InFlight(), ex.up.cluster.Config().Limits.RetryBudget) {
			ex.up.cluster.Telemetry().Overflow.Inc()
			return false
		}
		ex.retrying = true
	}
	ex.up.cluster.Telemetry().Retries.Inc()
	return true
}

// endRetry gives the place in the retry budget back, if there is one: the retry has failed, or has its answer, whose body may last for hours.
func (ex *exchange) endRetry() {
	if ex.retrying {
		ex.retrying = false
		ex.up.budget.give(1)
	}
}

// settle ends the exchange's part in the retry budget; f is what became of it.
func (ex *exchange) settle(f *fault) {
	ex.endRetry()
	if f == nil && ex.attempts == 1 && ex.rt.retry.repeats && ex.status < 500 {
		ex.up.budget.earn(ex.up.cluster.Config().Limits.RetryBudget)
	}
}

const (
	baseBackoff = 25 * time.Millisecond
	maxBackoff  = 250 * time.Millisecond
)

// backoff waits before another try: a random time up to a bound that doubles. It ends early, with a fault, when the gateway cuts what is
// left at the end of its drain.
func (ex *exchange) backoff() *fault {
	if ex.rt.retry.failover {
		return nil // another endpoint need not recover first
	}
	limit := min(baseBackoff<<min(ex.attempts-1, 8), maxBackoff)
	t := time.NewTimer(rand.N(limit))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ex.s.ctx.Done():
		return faultGone
	}
	if ex.deadline > 0 && ex.now() >= ex.deadline {
		return faultTimeout
	}
	if ex.gone(ex.d.Ended()) {
		return faultGone
	}
	return nil
}
