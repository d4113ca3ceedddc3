package proxy

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/sidecar/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// retryPolicy is what a route says about trying again. The zero value never does.
type retryPolicy struct {
	attempts                int // tries in all
	connect, reset, timeout bool
	statuses                []int
	perTry                  time.Duration // longest wait of one try for the response head; 0 none
}

func compileRetry(c *config.Retries) retryPolicy {
	p := retryPolicy{attempts: c.Attempts, perTry: c.PerTryTimeout}
	for _, on := range c.On {
		switch on {
		case config.RetryConnectFailure:
			p.connect = true
		case config.RetryReset:
			p.reset = true
		case config.RetryTimeout:
			p.timeout = true
		default:
			if n, err := strconv.Atoi(on); err == nil {
				p.statuses = append(p.statuses, n)
			}
		}
	}
	return p
}

func (p *retryPolicy) status(n int) bool { return slices.Contains(p.statuses, n) }

// faultTryAgain stands for an answer that is not passed on because the request is sent again.
var faultTryAgain = &fault{status: 503, flag: telemetry.UC, text: "upstream answered with an error"}

// replayable tells whether sending the request once more cannot do harm: its method is idempotent (RFC 9110 section 9.2.2) and its whole
// body is still at hand. POST and PATCH are, only where the route asks for retries on resets.
func (ex *exchange) replayable() bool {
	if !ex.wholeHeld() {
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
	switch out.fault.flag {
	case telemetry.UF:
		return p.connect && (out.unsent || ex.replayable()) && ex.mayRetry()
	case telemetry.UC:
		return p.reset && (out.unsent || ex.replayable()) && ex.mayRetry()
	case telemetry.UT:
		return p.timeout && ex.replayable() && ex.mayRetry()
	}
	return false
}

// mayRetry tells whether there is a try left, nothing has been answered, and the cluster's retry budget allows it. It takes a place there.
func (ex *exchange) mayRetry() bool {
	if ex.attempts >= ex.rt.retry.attempts || ex.d.Began() {
		return false
	}
	if !ex.up.budget.take(ex.up.cluster.InFlight(), ex.up.cluster.Config().Limits.RetryBudget) {
		ex.up.cluster.Telemetry().Overflow.Inc()
		return false
	}
	ex.up.cluster.Telemetry().Retries.Inc()
	ex.retrying++
	return true
}

const (
	baseBackoff = 25 * time.Millisecond
	maxBackoff  = 250 * time.Millisecond
)

// backoff waits before another try: a random time up to a bound that doubles. It ends early, with a fault, when the gateway cuts what is
// left at the end of its drain.
func (ex *exchange) backoff() *fault {
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
	if ex.d.Hangup() != 0 {
		return faultGone
	}
	return nil
}
