package cluster

import (
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// TestRetriesGoElsewhereFirst: each endpoint once before any twice, however the weights are.
func TestRetriesGoElsewhereFirst(t *testing.T) {
	for _, balance := range config.Balances {
		cl := cfg("a*100 b c")
		cl.Balance = balance
		_, c := newCluster(t, cl)
		for range 50 {
			var tried Tried
			seen := map[string]int{}
			for range 4 {
				e, err := c.Pick(&tried)
				if err != nil {
					t.Fatal(err)
				}
				seen[e.Address()]++
				e.Done(Ignored)
			}
			if len(seen) != 3 {
				t.Fatalf("%s: four tries over three endpoints went to %v", balance, seen)
			}
		}
		var tried Tried
		_, sole := newCluster(t, cfg("a"))
		for range 6 {
			if e, err := sole.Pick(&tried); err != nil || e.Address() != "a" {
				t.Fatalf("%s: the sole endpoint is not tried again: %v", balance, err)
			}
		}
	}
}

// TestRetryInPanic: a healthy endpoint that was tried comes before an ejected one that was not.
func TestRetryInPanic(t *testing.T) {
	cl := cfg("a b")
	cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Minute, MaxEjectedPercent: 50}
	_, c := newCluster(t, cl)
	only(c).Report(ConnectFailure)
	var tried Tried
	for range 3 {
		e, err := c.Pick(&tried)
		if err != nil || e.Address() != "b" {
			t.Fatalf("got %v, %v, want b", e, err)
		}
		e.Done(Ignored)
	}
}
