package netio

import "context"

// Limit bounds how many accepted connections there are at a time, over all listeners. A place is taken before the
// accept, so that what is over the limit waits in the kernel's queue instead of being cut.
type Limit struct {
	places      chan struct{}
	descriptors int // those that all connections may use, both ways; 0 = no bound is known
}

// NewLimit returns a limit of n connections; n must be positive.
func NewLimit(n int) *Limit { return &Limit{places: make(chan struct{}, n)} }

// NewDescriptorLimit is NewLimit in a process whose connections, those to endpoints with them, may use that many
// descriptors: what the system allows, less what everything else needs.
func NewDescriptorLimit(n, descriptors int) *Limit {
	return &Limit{make(chan struct{}, n), descriptors}
}

// mayConnect tells whether a new connection to an endpoint, which has got this descriptor, leaves enough of them for
// the clients that may still come and for everything else. The system gives the lowest free number: where a number is
// reached, all below it are taken. A nil Limit bounds nothing.
func (l *Limit) mayConnect(descriptor int) bool {
	return l == nil || l.descriptors == 0 || descriptor < l.descriptors-(cap(l.places)-l.Used())
}

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
