package consul

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// plainTimeout bounds a request that does not block: servers hold one for up to
	// 7 s while they elect a leader.
	plainTimeout = 12 * time.Second

	// probeEvery is how often a blocking request is replaced by a plain one to the
	// leader: an agent that serves from its own view goes on answering 200 when
	// its servers are gone.
	probeEvery = 5 * time.Minute

	// A watch that polls does so about every pollEvery.
	pollEvery = 30 * time.Second
)

// fetchOptions say how to fetch.
type fetchOptions struct {
	index uint64        // answer when the index has passed this; 0 = answer now
	wait  time.Duration // at the latest after this; only with an index
	stale bool          // any server may answer, not only the leader
}

// result is what Consul said, and how.
type result[T any] struct {
	value  T
	absent bool   // there is nothing: a 404, or an empty list
	index  uint64 // X-Consul-Index
	bytes  int64  // of the body
}

// fetcher makes one request. Its error is a *fault, or that of ctx.
type fetcher[T any] func(context.Context, fetchOptions) (result[T], error)

// errRestart ends what a watch is doing so that it starts anew.
var errRestart = errors.New("asked to restart")

// errSlow is the cause of a request that ran into our deadline.
var errSlow = errors.New("no response in time")

// watch follows one query until its context ends. It delivers what is certain and nothing
// else: a response that would take something away is fetched once more, from
// the leader and without blocking, and an error changes nothing.
//
// It knows nothing of HTTP: fetch is all that it does, so its tests run in a
// bubble of their own time.
type watch[T any] struct {
	fetch   fetcher[T]
	same    func(a, b T) bool
	shrinks func(from, to T) bool // much is gone: confirm; nil = never
	deliver func(context.Context, result[T])
	wait    time.Duration // how long a request blocks
	polls   bool          // never blocks, queries at intervals
	limiter *rate.Limiter
	paced   time.Duration // pause between requests, to which pause adds; 0 = the limiter never changes
	tracker *discovery.Tracker

	// Only the goroutine of run touches these.
	index  uint64 // what the next request waits to pass; 0 = do not block
	fails  int    // errors in a row
	known  bool   // last and absent hold a delivered response
	absent bool
	last   T
	probed time.Time // when the leader was last asked

	mu sync.Mutex
	// +checklocks:mu
	cancel context.CancelCauseFunc
	// +checklocks:mu
	again bool // start from index 0
	// +checklocks:mu
	redeliver bool // deliver also what is known
}

// run queries until ctx ends.
func (w *watch[T]) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.turn(ctx)
	}
}

// turn is one query, its confirmation where needed, and what follows from it.
func (w *watch[T]) turn(whole context.Context) {
	ctx, end := w.begin(whole)
	defer end()
	if w.limiter.Wait(ctx) != nil {
		return
	}
	q, start := w.next(), time.Now()
	a, err := w.query(ctx, q)
	if q.index > 0 && err == nil && time.Since(start) < w.wait*9/10 {
		w.tracker.Woke()
	}
	if err == nil && w.doubtful(q, a) {
		w.tracker.Confirming()
		q = fetchOptions{}
		a, err = w.query(ctx, q)
	}
	switch {
	case ctx.Err() != nil: // ended, or asked to restart: what came is not used
	case err != nil:
		w.backOff(ctx, err)
	case q.index > 0 && a.index == q.index:
		w.unchanged(start)
	default:
		w.accept(whole, q, a)
		if w.polls {
			_ = sleep(ctx, jitter(pollEvery)) // interrupted or not, the next turn follows
		}
	}
}

// begin makes the context that look cancels, and takes up what it asked for
// while there was none.
func (w *watch[T]) begin(ctx context.Context) (context.Context, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, w.cancel = context.WithCancelCause(ctx)
	if w.again {
		w.again, w.index = false, 0
	}
	if w.redeliver {
		w.redeliver, w.known = false, false
	}
	return ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancel(nil)
		w.cancel = nil
	}
}

// restart makes the watch query anew, at once: whatever it waits for is cancelled.
// With redeliver it also delivers what it has delivered before.
func (w *watch[T]) restart(redeliver bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.again = true
	w.redeliver = w.redeliver || redeliver
	if w.cancel != nil {
		w.cancel(errRestart)
	}
}

// next is the query: to the leader where we know nothing for certain, else
// one that blocks until there is news, which any server may answer.
func (w *watch[T]) next() fetchOptions {
	switch {
	case w.polls && w.known:
		return fetchOptions{stale: true}
	case w.index == 0, w.polls, time.Since(w.probed) >= probeEvery:
		return fetchOptions{}
	}
	return fetchOptions{index: w.index, wait: w.wait, stale: true}
}

// query bounds fetch in time. Consul adds up to a sixteenth to what it was asked to wait.
func (w *watch[T]) query(ctx context.Context, q fetchOptions) (result[T], error) {
	limit := plainTimeout
	if q.index > 0 {
		limit = q.wait*17/16 + 10*time.Second
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errSlow)
	defer cancel()
	a, err := w.fetch(ctx, q)
	if err != nil && errors.Is(context.Cause(ctx), errSlow) {
		err = faultf(telemetry.DiscoveryTransport, "no response within %v", limit)
	}
	return a, err
}

// doubtful reports whether a response may be an artefact: an agent that has no
// view yet (index 1), a store that was restored (index lower than before), a
// server that has lost sight of the others, or rights that were lost (all of
// them seem to say that something is gone).
func (w *watch[T]) doubtful(q fetchOptions, a result[T]) bool {
	switch {
	case a.index <= 1 || a.index < q.index:
		return true
	case a.absent:
		return !w.known || !w.absent
	}
	leader := q.index == 0 && !q.stale
	return !leader && w.known && !w.absent && w.shrinks != nil && w.shrinks(w.last, a.value)
}

// hold keeps what is known and waits. After an error the agent or the cluster may
// be another one, whose index has nothing to do with ours.
func (w *watch[T]) backOff(ctx context.Context, err error) {
	w.fails++
	w.index = 0
	w.tracker.Failed(classOf(err), err)
	_ = sleep(ctx, jitter(backoff(classOf(err), w.fails))) // interrupted or not, the next turn follows
}

// unchanged is the end of a request that ended without news. One that came back
// early with the index it was asked to pass comes from a store that was replaced
// under it, and may be deaf to what is written from now on.
func (w *watch[T]) unchanged(start time.Time) {
	w.fails = 0
	if time.Since(start) < w.wait*9/10 {
		w.index = 0
	}
	w.tracker.OK(w.index)
}

// accept takes a response for true. ctx is that of the whole watch: what restart
// cancels is delivered all the same, since it will not be delivered again.
func (w *watch[T]) accept(ctx context.Context, q fetchOptions, a result[T]) {
	w.fails = 0
	w.index = max(a.index, 1)
	if !q.stale {
		w.probed = time.Now()
	}
	w.tracker.OK(w.index)
	if w.paced > 0 {
		w.limiter.SetLimit(rate.Every(pause(w.paced, a.bytes)))
	}
	if !w.known || a.absent != w.absent || !a.absent && !w.same(w.last, a.value) {
		w.known, w.absent, w.last = true, a.absent, a.value
		w.deliver(ctx, a)
	}
}
