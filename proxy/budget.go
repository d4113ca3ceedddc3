package proxy

import "sync/atomic"

// retryBudget bounds the retries in flight to a share of the live requests, so that retries never multiply an outage.
type retryBudget struct {
	live atomic.Int64
}

// minRetries is what any cluster may retry at a time, however quiet it is.
const minRetries = 3

// take takes a place for one retry; give returns it. share is of the requests in flight; 0 or less means no budget.
func (b *retryBudget) take(inFlight int64, share float64) bool {
	n := b.live.Add(1)
	if share <= 0 || n <= minRetries || float64(n) <= share*float64(inFlight) {
		return true
	}
	b.live.Add(-1)
	return false
}

func (b *retryBudget) give(n int64) { b.live.Add(-n) }
