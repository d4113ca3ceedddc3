package consul

import (
	"context"
	"math/rand/v2"
	"time"
)

// bucket is a token bucket. A bucket and not a pause between requests: the first
// change after a quiet time is asked for at once.
type bucket struct {
	burst int           // tokens it holds
	every time.Duration // one more token
	full  time.Time     // when it is full again
}

// take waits for a token. One that ctx ended the wait for is not taken.
func (b *bucket) take(ctx context.Context) error {
	now := time.Now()
	if b.full.Before(now) {
		b.full = now
	}
	if err := sleep(ctx, b.full.Sub(now)-time.Duration(b.burst-1)*b.every); err != nil {
		return err
	}
	b.full = b.full.Add(b.every)
	return nil
}

// jitter spreads what many sidecars do at once: somewhere from half of d to d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// sleep waits for d, or returns why it did not.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
