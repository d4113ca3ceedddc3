package cluster

import "testing"

func TestRetryBudget(t *testing.T) {
	for _, tt := range []struct {
		inFlight int64
		share    float64
		want     int // places
	}{{0, 0.2, 3}, {10, 0.2, 3}, {20, 0.2, 4}, {100, 0.2, 20}, {100, 1, 100}, {5, 0, 200}} {
		var b RetryBudget
		n := 0
		for n < 200 && b.Take(tt.inFlight, tt.share) {
			n++
		}
		if n != tt.want {
			t.Errorf("%d in flight, share %v: %d places, want %d", tt.inFlight, tt.share, n, tt.want)
		}
		b.Give()
		if n < 200 && !b.Take(tt.inFlight, tt.share) {
			t.Errorf("%d in flight, share %v: a place given back is not taken", tt.inFlight, tt.share)
		}
	}
}

// What was saved while requests succeeded covers one moment of failure, and no more.
func TestRetryBudgetSaves(t *testing.T) {
	const share = 0.2
	var b RetryBudget
	for range 50 {
		b.Earn(share)
	}
	n := 0
	for b.Take(0, share) {
		n++
	}
	if n != minRetries+9 && n != minRetries+10 { // 50 times a fifth, rounded down each
		t.Errorf("%d places after 50 good requests, want %d", n, minRetries+10)
	}
	for range n {
		b.Give()
	}
	for n = 0; b.Take(0, share); {
		n++
	}
	if n != minRetries {
		t.Errorf("%d places after that, want %d", n, minRetries)
	}
	for range 100_000 {
		b.Earn(share)
	}
	if got := b.saved.Load() / oneRetry; got != maxSaved {
		t.Errorf("saved %d, want %d", got, maxSaved)
	}
}
