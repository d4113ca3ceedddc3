package cluster

import "sync/atomic"

// RetryBudget bounds the retries in flight to a share of the live requests, so that retries never multiply an outage.
// While requests succeed it saves the same share of them, up to a bound. An endpoint that dies fails more than its
// share at one moment, and these requests may be retried. A lasting outage may not be. The zero value is ready. Safe
// for concurrent use.
type RetryBudget struct {
	live  atomic.Int64 // retries in flight under the budget
	saved atomic.Int64 // retries, in units of oneRetry
}

const (
	// minRetries is what any cluster may retry at a time, however few requests it has.
	minRetries = 3
	// maxSaved bounds the retries that are saved.
	maxSaved = 256
	oneRetry = 1 << 10
)

// Take takes a place for one retry. inFlight is the number of the cluster's live requests, share the budget's part of
// them. A share of 0 or less means no budget.
func (b *RetryBudget) Take(inFlight int64, share float64) bool {
	n := b.live.Add(1)
	if share <= 0 || n <= minRetries || float64(n) <= share*float64(inFlight) || b.spend() {
		return true
	}
	b.live.Add(-1)
	return false
}

// Give returns a place that Take has given.
func (b *RetryBudget) Give() { b.live.Add(-1) }

// spend takes a retry from those saved.
func (b *RetryBudget) spend() bool {
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

// Earn counts a request that succeeded at its first attempt.
func (b *RetryBudget) Earn(share float64) {
	if b.saved.Load() < maxSaved*oneRetry { // concurrent calls may exceed the bound by a few, which does no harm
		b.saved.Add(int64(share * oneRetry))
	}
}
