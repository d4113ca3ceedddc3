package consul

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
)

const (
	// The document's loop queries again at once for the first ten changes, then five
	// times a second: a person is waiting for it.
	documentBurst = 10
	documentEvery = 200 * time.Millisecond

	// A health watch queries again at once after the first change, then once a second. A service that flaps must not
	// make us fetch all of it without pause.
	healthBurst = 2
	healthEvery = time.Second

	// Large responses are fetched less often: each 8 MiB add a second to the pause. So
	// 2,000 instances (3.4 MB) are fetched every 1.4 s, for some 4 % of a core.
	pacedBytes = 8 << 20
	paceMost   = 15 * time.Second
)

// newLimiter makes a token bucket. A bucket and not a pause between requests: the
// first change after a quiet time is fetched at once.
func newLimiter(burst int, every time.Duration) *rate.Limiter {
	return rate.NewLimiter(rate.Every(every), burst)
}

// pause is how far apart requests are whose responses have so many bytes.
func pause(usual time.Duration, bytes int64) time.Duration {
	return min(usual+time.Duration(bytes)*time.Second/pacedBytes, paceMost)
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
