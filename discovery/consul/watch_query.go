package consul

import (
	"context"
	"errors"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// fetchOptions say how to fetch.
type fetchOptions struct {
	index uint64        // answer when the index has passed this; 0 = answer now
	wait  time.Duration // at the latest after this; only with an index
	stale bool          // any server may answer, not only the leader
	fresh bool          // over a connection of its own

	// more says that the result takes another response, which has its own time; nil: it cannot.
	more func()
}

// leader tells whether the result is the leader's word of this moment.
func (o fetchOptions) leader() bool { return o.index == 0 && !o.stale }

// result is what Consul said, and how.
type result[T any] struct {
	value  T
	absent bool   // there is nothing: a 404, or an empty list
	index  uint64 // X-Consul-Index
	bytes  int64  // of the body

	leftOut []string // what of it is of no use, and why
}

// fetcher makes one request. Its error is a *fault, errMoved, or that of ctx.
type fetcher[T any] func(context.Context, fetchOptions) (result[T], error)

// errSlow is the cause of a request that ran into our deadline.
var errSlow = errors.New("no response in time")

// next says how to fetch: from the leader where nothing is certain, else blocking until there is
// news, which any server may tell.
func (w *watch[T]) next() fetchOptions {
	known, _ := w.delivered()
	switch {
	case w.polls && known != unknown:
		return fetchOptions{stale: true}
	case w.index == 0, w.polls, time.Since(w.leaderAt) >= leaderEvery, time.Now().Before(w.plainUntil):
		return fetchOptions{}
	}
	return fetchOptions{index: w.index, wait: w.wait, stale: true}
}

// query bounds fetch in time. Consul adds up to a sixteenth to what it was asked to wait.
func (w *watch[T]) query(ctx context.Context, o fetchOptions) (result[T], error) {
	limit, phase := plainTimeout, phasePlain
	if known, _ := w.delivered(); known == unknown && w.fails == 0 {
		limit = firstTimeout
	}
	if o.index > 0 {
		limit, phase = o.wait*17/16+10*time.Second, phaseParked
	}
	w.enter(phase, 0)
	defer w.enter(phaseIdle, 0) // what follows, such as a receiver that is busy, is no request that takes long
	return w.fetchWithin(ctx, o, limit)
}

// fetchWithin fetches what one response has within the limit. Each further one that it takes, as for a part of a large
// document, may take plainTimeout.
func (w *watch[T]) fetchWithin(ctx context.Context, o fetchOptions, limit time.Duration) (result[T], error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slow := time.AfterFunc(limit, func() { cancel(errSlow) })
	defer slow.Stop()
	o.more = func() { slow.Reset(plainTimeout) }
	r, err := w.fetch(ctx, o)
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		err = faultf(telemetry.DiscoveryTransport, "no response within %v", limit)
	}
	return r, err
}
