package route

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestSpendATokenBucket(t *testing.T) {
	const s = int64(time.Second)
	// Two a second, three at once: a token is back every half second.
	l := newRateLimit(config.RateLimit{Rate: 2, Burst: 3, Key: config.RateLimitRoute})
	for _, tt := range []struct{ at, wait int64 }{
		{10 * s, 0}, {10 * s, 0}, {10 * s, 0},
		{10 * s, s / 2},
		{10*s + s/4, s / 4},
		{10*s + s/4, s / 4}, // what was refused has cost nothing
		{10*s + s/2, 0},
		{10*s + s/2, s / 2},
		{11 * s, 0},
		{30 * s, 0}, {30 * s, 0}, {30 * s, 0}, // a full bucket holds no more than its burst
		{30 * s, s / 2},
		{29 * s, s + s/2}, // a clock that two goroutines read in one order and use in another
		{30*s + s/2, 0},
	} {
		if wait := l.takeWhole(tt.at); wait != tt.wait {
			t.Errorf("at %v: wait = %v, want %v", time.Duration(tt.at), time.Duration(wait), time.Duration(tt.wait))
		}
	}
}

// The slowest rate with the deepest bucket is far from what a number can hold; so is the fastest.
func TestRateLimitExtremes(t *testing.T) {
	for _, c := range []config.RateLimit{{Rate: 0.001, Burst: 1e6}, {Rate: 1e6, Burst: 1e6}, {Rate: 1e6, Burst: 1},
		{Rate: 0.001, Burst: 1}} {
		c.Key = config.RateLimitRoute
		l := newRateLimit(c)
		now := int64(365 * 24 * time.Hour) // on a machine that was up for a year
		for range c.Burst {
			if wait := l.takeWhole(now); wait != 0 {
				t.Fatalf("%+v: refused inside the burst, for %v", c, time.Duration(wait))
			}
		}
		if got, want := time.Duration(l.takeWhole(now)), time.Duration(float64(time.Second)/c.Rate); got != want {
			t.Errorf("%+v: wait = %v, want %v", c, got, want)
		}
	}
}

func TestRateLimitIsExactUnderConcurrency(t *testing.T) {
	for _, key := range []string{config.RateLimitRoute, "header:x"} {
		l := newRateLimit(config.RateLimit{Rate: 0.001, Burst: 1000, Key: key})
		var let atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 500 {
					wait := int64(0)
					if l.shards == nil {
						wait = l.takeWhole(1)
					} else {
						wait = l.takeKey(7, 1)
					}
					if wait == 0 {
						let.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if n := let.Load(); n != 1000 {
			t.Errorf("%s: %d requests passed, want 1000", key, n)
		}
	}
}

func TestRateLimitForgetsTheKeyNotSeenForLongest(t *testing.T) {
	const room = maxBuckets / rateShards
	l := newRateLimit(config.RateLimit{Rate: 0.001, Burst: 1, Key: "header:x"})
	key := func(i int) uint64 { return uint64(i) * rateShards } // all in one shard
	for i := range room {
		l.takeKey(key(i), 1)
	}
	if l.takeKey(key(0), 1) == 0 { // and now it is the newest
		t.Error("the first key was forgotten while there was room")
	}
	l.takeKey(key(room), 1)
	if l.takeKey(key(0), 1) == 0 {
		t.Error("a key in use was forgotten")
	}
	if l.takeKey(key(1), 1) != 0 {
		t.Error("the key not seen for longest was not forgotten")
	}
	for i := range 100_000 {
		l.takeKey(rand.Uint64(), int64(i))
	}
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		if len(s.buckets) > room || len(s.places) > room {
			t.Fatalf("shard %d has %d buckets for %d keys, want at most %d", i, len(s.buckets), len(s.places), room)
		}
		s.mu.Unlock()
	}
}

// The ring stays in the order of use, whatever is touched.
func TestRateShardOrder(t *testing.T) {
	var s rateShard
	s.mu.Lock()
	defer s.mu.Unlock()
	var want []uint64 // newest first
	for range 2000 {
		key := rand.Uint64N(12)
		s.bucket(key)
		want = slices.Insert(slices.DeleteFunc(want, func(k uint64) bool { return k == key }), 0, key)
		var got, back []uint64
		for i := s.newest; len(got) < len(s.buckets); i = s.buckets[i].older {
			got = append(got, s.buckets[i].key)
		}
		for i := s.buckets[s.newest].newer; len(back) < len(s.buckets); i = s.buckets[i].newer {
			back = append(back, s.buckets[i].key)
		}
		slices.Reverse(back)
		if !slices.Equal(got, want) || !slices.Equal(back, want) {
			t.Fatalf("order = %v, backwards %v, want %v", got, back, want)
		}
	}
}

func TestRateLimitAllocatesNothing(t *testing.T) {
	whole := newRateLimit(config.RateLimit{Rate: 1000, Burst: 10, Key: config.RateLimitRoute})
	keyed := newRateLimit(config.RateLimit{Rate: 1000, Burst: 10, Key: "header:x"})
	keyed.takeKey(1, 0)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() { now += 1000; whole.takeWhole(now); keyed.takeKey(1, now) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
