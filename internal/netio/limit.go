package netio

import (
	"context"
	"sync/atomic"
)

// Limit bounds how many accepted connections there are at a time, over all listeners. A place is taken before the
// accept, so that what is over the limit waits in the kernel's queue instead of being cut.
type Limit struct {
	places      chan struct{}
	descriptors int // those that all connections may use, both ways; 0 = no bound is known

	waits   atomic.Uint64 // accepts that had to wait for a place, since the start
	waiting atomic.Int64  // those that do now
}

// NewLimit returns a limit of n connections; n must be positive.
func NewLimit(n int) *Limit { return NewDescriptorLimit(n, 0) }

// NewDescriptorLimit is NewLimit in a process whose connections, those to endpoints with them, may use that many
// descriptors. It allows what the system allows, less what everything else needs.
func NewDescriptorLimit(n, descriptors int) *Limit {
	return &Limit{places: make(chan struct{}, n), descriptors: descriptors}
}

// mayConnect tells whether a new connection to an endpoint, which has got this descriptor, may be made. It may if
// enough descriptors are left for the clients that may still come and for everything else. The system gives the lowest
// free number: where a number is reached, all below it are taken. A nil Limit bounds nothing.
func (l *Limit) mayConnect(descriptor int) bool {
	return l == nil || l.descriptors == 0 || descriptor < l.descriptors-(cap(l.places)-l.Used())
}

// tryTake takes a place, if there is one.
func (l *Limit) tryTake() bool {
	select {
	case l.places <- struct{}{}:
		return true
	default:
		return false
	}
}

// take waits for a place. It reports whether it has got one before ctx ended.
func (l *Limit) take(ctx context.Context) bool {
	if l.tryTake() {
		return true
	}
	l.waits.Add(1)
	l.waiting.Add(1)
	defer l.waiting.Add(-1)
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

// Max is how many places there are.
func (l *Limit) Max() int { return cap(l.places) }

// Waits is how many accepts had to wait for a place since the start, and how many do now.
func (l *Limit) Waits() (all uint64, now int64) { return l.waits.Load(), l.waiting.Load() }
