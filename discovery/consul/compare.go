package consul

import (
	"context"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// compareTimeout bounds the request of a comparison, but for large results.
	compareTimeout = 2 * time.Second

	// toldWithin is how soon a watch tells of a change by itself.
	toldWithin = 2 * time.Second

	// compareEvery is how often a watch is compared. Large results are compared less often: each
	// compareBytes add as much.
	compareEvery = 10 * time.Second
	compareBytes = 1 << 20
)

// finding is what a look at a watch has found.
type finding uint8

const (
	findingSame    finding = iota // it knows what Consul says
	findingSkipped                // it has nothing to compare, or is failing
	findingFailed                 // Consul did not respond: it is restarted, to say so
	findingReset                  // it was restarted for its index, or for the rights that it lost
	findingDiffers                // it does not know yet what Consul says
	findingStale                  // nor after some time: it is to be restarted, over a new connection
)

// compare compares what the watch has delivered with what Consul says over a connection of its own. It and
// compareTwice are for the monitor: one at a time.
func (w *watch[T]) compare(ctx context.Context) finding {
	w.looked = w.snapshot()
	if w.looked.known == unknown || w.looked.phase >= phasePausing {
		return findingSkipped
	}
	limit := compareTimeout + time.Duration(w.looked.last.bytes)*time.Second/pacedBytes
	r, err := w.fetchWithin(ctx, fetchOptions{stale: true, fresh: true}, limit)
	switch {
	case err != nil:
		return w.compareError(err)
	case w.differs(w.looked, r):
		return findingDiffers
	}
	return findingSame
}

// compareTwice finds a watch that has not told in time of a difference that compare found.
func (w *watch[T]) compareTwice(ctx context.Context) finding {
	if now := w.snapshot(); now.version != w.looked.version || now.phase >= phasePausing {
		return findingSame // it has told, or found out that it cannot
	}
	r, err := w.fetchWithin(ctx, fetchOptions{fresh: true}, plainTimeout)
	if err != nil {
		return w.compareError(err)
	}
	now := w.snapshot()
	switch {
	case now.version != w.looked.version || !w.differs(now, r):
		return findingSame
	case !w.equal(now, r):
		return findingStale
	case r.index == w.comparedIndex:
		return findingSame // it was restarted for this already: the view counts otherwise
	}
	w.comparedIndex = r.index
	w.restart(false, false)
	return findingReset
}

// compareError restarts a watch that cannot be compared, for it to say so. Either its rights were lost, its query is
// refused, or Consul does not respond.
func (w *watch[T]) compareError(err error) finding {
	switch classOf(err) {
	case telemetry.DiscoveryACL, telemetry.DiscoveryQuery:
		w.restart(false, false)
		return findingReset
	case telemetry.DiscoveryTransport, telemetry.DiscoveryServer:
		w.restart(false, false)
	case telemetry.DiscoveryLimit:
	}
	return findingFailed
}

// try makes the plain request of the watch once more, over a connection of its own.
func (w *watch[T]) try(ctx context.Context) error {
	_, err := w.fetchWithin(ctx, fetchOptions{fresh: true}, overdue)
	return err
}

// differs tells whether Consul says something else than s, or counts from a lower index.
func (w *watch[T]) differs(s seen[T], r result[T]) bool {
	return !w.equal(s, r) || r.index < s.last.index
}

func (w *watch[T]) equal(s seen[T], r result[T]) bool {
	return r.absent == (s.known == absent) && (r.absent || w.same(s.last.value, r.value))
}

func (w *watch[T]) snapshot() seen[T] {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}

// condition is what the monitor needs to know of a watch.
type condition struct {
	phase phase
	since time.Time                // of the phase
	class telemetry.DiscoveryClass // of the error, while pausing
	bytes int64                    // of the last result
	polls bool
	known bool // something was delivered
}

// overdue tells whether a plain request has taken longer than limit.
func (c condition) overdue(limit time.Duration) bool {
	return c.phase == phasePlain && time.Since(c.since) > limit
}

// dead tells whether a plain request has taken so long that its connection may be dead. One whose first response is
// still missing is given more time: requests wait for that, and to ask anew is to wait anew.
func (c condition) dead() bool {
	if !c.known {
		return c.overdue(firstTimeout)
	}
	return c.overdue(deadAfter)
}

func (w *watch[T]) status() condition {
	s := w.snapshot()
	return condition{s.phase, s.since, s.class, s.last.bytes, w.polls, s.known != unknown}
}
