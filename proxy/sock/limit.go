package sock

import (
	"context"
	"errors"
	"net"
	"time"
)

// Limit bounds how many accepted connections there are at a time, over all listeners. A place is taken before the accept, so that what is
// over the limit waits in the kernel's queue instead of being cut.
type Limit struct {
	places chan struct{}
}

// NewLimit returns a limit of n connections; n must be positive.
func NewLimit(n int) *Limit { return &Limit{make(chan struct{}, n)} }

// Release gives a place back.
func (l *Limit) Release() { <-l.places }

// Used is how many places are taken.
func (l *Limit) Used() int { return len(l.places) }

const (
	firstPause = 5 * time.Millisecond // as net/http waits after a passing accept error, such as EMFILE
	lastPause  = time.Second
)

// Accept accepts connections from ln and hands each to serve, which must not block and owes the limit a Release, until ln is closed or ctx
// ends. Ending ctx frees it from waiting for a place or after an error; only [LastCall] or closing ln frees it from waiting for a connection. Errors that
// pass (no more descriptors, a connection gone before it was accepted) are told to report, waited out and survived.
func (l *Limit) Accept(ctx context.Context, ln net.Listener, serve func(net.Conn), report func(error)) {
	pause := firstPause
	for {
		select {
		case l.places <- struct{}{}:
		default:
			select {
			case l.places <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
		nc, err := ln.Accept()
		if err == nil {
			pause = firstPause
			serve(nc)
			continue
		}
		l.Release()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		report(err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// lastCall is how long connections are still accepted that have come already.
const lastCall = 5 * time.Millisecond

// LastCall lets the Accept on ln, whose ctx has ended, take what has connected already, and closes ln after that: at once it would reset
// those in the kernel's queue, with their requests. done is closed when Accept has ended.
func LastCall(ln net.Listener, done <-chan struct{}) {
	if d, ok := ln.(interface{ SetDeadline(at time.Time) error }); ok && d.SetDeadline(time.Now().Add(lastCall)) == nil {
		<-done
	}
	_ = ln.Close() // it is not needed any more
	<-done
}
