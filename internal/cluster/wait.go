package cluster

import (
	"context"
	"errors"
	"time"
)

// The first poll of a waiting request's client comes after FirstPoll, later ones up to MaxPoll apart.
const (
	FirstPoll = 100 * time.Millisecond
	MaxPoll   = 500 * time.Millisecond
)

// errLate: what was waited for did not come in time.
var errLate = errors.New("waited for too long")

// wait waits for at most within until come can be received from. While it waits it calls poll, whose error ends the
// wait and is returned. Other errors: errLate, and ctx's own when that ended.
func wait(ctx context.Context, come <-chan struct{}, within time.Duration, poll func() error) error {
	end, next := time.NewTimer(within), time.NewTimer(FirstPoll)
	defer end.Stop()
	defer next.Stop()
	for interval := FirstPoll; ; {
		select {
		case <-come:
			return nil
		case <-end.C:
			return errLate
		case <-ctx.Done():
			return ctx.Err()
		case <-next.C:
			if err := poll(); err != nil {
				return err
			}
			interval = min(2*interval, MaxPoll)
			next.Reset(interval)
		}
	}
}
