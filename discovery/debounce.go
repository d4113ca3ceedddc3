package discovery

import (
	"context"
	"time"
)

// Debounce passes on the latest of a burst of values, once none came for quiet. It does so at the latest after most, so
// that a source that never rests is heard too. It returns when ctx ends.
func Debounce[T any](ctx context.Context, in <-chan T, quiet, most time.Duration, out func(T)) {
	for {
		select {
		case latest := <-in:
			out(lastOfBurst(ctx, in, latest, quiet, most))
		case <-ctx.Done():
			return
		}
	}
}

// lastOfBurst returns the last value of the burst that began with latest.
func lastOfBurst[T any](ctx context.Context, in <-chan T, latest T, quiet, most time.Duration) T {
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

// Signal leaves a token in a channel of one place. One that is there already is enough.
func Signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
