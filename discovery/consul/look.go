package consul

import (
	"context"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// lookTimeout bounds the request of a look.
	lookTimeout = 2 * time.Second

	// toldWithin is how soon a watch tells of a change by itself.
	toldWithin = 2 * time.Second

	// lookEvery is how often a watch is looked at. Large results are looked at less often: each
	// lookBytes add as much.
	lookEvery = 10 * time.Second
	lookBytes = 1 << 20
)

// verdict is what a look at a watch has found.
type verdict uint8

const (
	lookSame    verdict = iota // it knows what Consul says
	lookSkipped                // it has nothing to compare, or is failing
	lookFailed                 // Consul did not respond
	lookReset                  // it was restarted for its index, or for the rights that it lost
	lookStale                  // it does not know what Consul says: it is to be restarted, over a new connection
)

// look compares what the watch has delivered with what Consul says over a connection of its own, and
// finds a watch that has not told of a difference in time. It is for the one goroutine of the
// monitor.
func (w *watch[T]) look(ctx context.Context) (verdict, error) {
	before := w.snapshot()
	if before.known == unknown || before.phase >= phasePausing {
		return lookSkipped, nil
	}
	r, err := w.fetchWithin(ctx, fetchOptions{stale: true, fresh: true}, lookTimeout)
	if err != nil {
		return w.lookError(err)
	}
	if !w.differs(before, r) {
		return lookSame, nil
	}
	_ = sleep(ctx, toldWithin) // when ctx has ended, the next request says so
	if now := w.snapshot(); now.version != before.version || now.phase >= phasePausing {
		return lookSame, nil // it has told, or found out that it cannot
	}
	if r, err = w.fetchWithin(ctx, fetchOptions{fresh: true}, plainTimeout); err != nil {
		return w.lookError(err)
	}
	if now := w.snapshot(); now.version != before.version || !w.differs(now, r) {
		return lookSame, nil
	}
	if w.equal(before, r) {
		if r.index == w.lookedIndex {
			return lookSame, nil // it was restarted for this already: the view counts otherwise
		}
		w.lookedIndex = r.index
		w.restart(false, false)
		return lookReset, nil
	}
	return lookStale, nil
}

// lookError restarts a watch whose rights were lost, for it to say so.
func (w *watch[T]) lookError(err error) (verdict, error) {
	if classOf(err) == telemetry.DiscoveryACL {
		w.restart(false, false)
		return lookReset, err
	}
	return lookFailed, err
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

// status is what the monitor needs to know.
func (w *watch[T]) status() (p phase, since time.Time, class telemetry.DiscoveryClass, bytes int64) {
	s := w.snapshot()
	return s.phase, s.since, s.class, s.last.bytes
}
