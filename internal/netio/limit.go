package netio

import "context"

// Limit bounds how many accepted connections there are at a time, over all listeners. A place is taken before the
// accept, so that what is over the limit waits in the kernel's queue instead of being cut.
type Limit struct {
	places chan struct{}
}

// NewLimit returns a limit of n connections; n must be positive.
func NewLimit(n int) *Limit { return &Limit{make(chan struct{}, n)} }

// take waits for a place. It reports whether it has got one before ctx ended.
func (l *Limit) take(ctx context.Context) bool {
	select {
	case l.places <- struct{}{}:
		return true
	default:
	}
	select {
	case l.places <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// Release gives a place back.
func (l *Limit) Release() { <-l.places }

// Used is how many places are taken.
func (l *Limit) Used() int { return len(l.places) }
