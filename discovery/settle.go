package discovery

import (
	"context"
	"time"
)

// settle passes on the latest of a burst of values: once none came for quiet, and
// at the latest after most, so that a source that never rests is heard too. It
// returns when ctx ends.
func settle[T any](ctx context.Context, in <-chan T, quiet, most time.Duration, out func(T)) {
	for {
		select {
		case latest := <-in:
			out(calm(ctx, in, latest, quiet, most))
		case <-ctx.Done():
			return
		}
	}
}

// calm returns the last value of the burst that began with latest.
func calm[T any](ctx context.Context, in <-chan T, latest T, quiet, most time.Duration) T {
	rest := time.NewTimer(quiet)
	defer rest.Stop()
	end := time.NewTimer(most)
	defer end.Stop()
	for {
		select {
		case latest = <-in:
			rest.Reset(quiet)
		case <-rest.C:
			return latest
		case <-end.C:
			return latest
		case <-ctx.Done():
			return latest
		}
	}
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

// nudge leaves a token in a channel of one place; one that is there already will do.
func nudge(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
