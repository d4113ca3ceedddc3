package proxy

import "sync/atomic"

// retryBudget bounds the retries in flight to a share of the live requests, so that retries never multiply an outage. While things go well
// it saves the same share of the requests, up to a bound: an endpoint that dies takes more than its share with it in one moment, and that moment
// may be retried; what lasts may not.
type retryBudget struct {
	live  atomic.Int64 // retries in flight under the budget
	saved atomic.Int64 // retries, in units of a whole one
}

const (
	// minRetries is what any cluster may retry at a time, however quiet it is.
	minRetries = 3
	// mostSaved bounds the retries that are saved.
	mostSaved = 256
	oneRetry  = 1 << 10
)

// take takes a place for one retry; give returns n of them. share is of the requests in flight; 0 or less means no budget.
func (b *retryBudget) take(inFlight int64, share float64) bool {
	n := b.live.Add(1)
	if share <= 0 || n <= minRetries || float64(n) <= share*float64(inFlight) || b.spend() {
		return true
	}
	b.live.Add(-1)
	return false
}

func (b *retryBudget) give(n int64) { b.live.Add(-n) }

// spend takes a retry from what was saved.
func (b *retryBudget) spend() bool {
	for {
		n := b.saved.Load()
		if n < oneRetry {
			return false
		}
		if b.saved.CompareAndSwap(n, n-oneRetry) {
			return true
		}
	}
}

// earn counts a request that went well at its first try.
func (b *retryBudget) earn(share float64) {
	if b.saved.Load() < mostSaved*oneRetry { // a few too many do no harm
		b.saved.Add(int64(share * oneRetry))
	}
}
