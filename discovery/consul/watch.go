package consul

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// plainTimeout bounds a request that does not block: servers hold one for up to 7 s while they
	// elect a leader. The very first one is given up sooner: an agent that hangs delays the start.
	plainTimeout = 12 * time.Second
	firstTimeout = 6 * time.Second

	// leaderEvery is how often a blocking request is replaced by a plain one to the leader. An agent that serves from
	// its own view goes on answering 200 when its servers are gone.
	leaderEvery = 5 * time.Minute

	// A watch that polls does so about every pollEvery.
	pollEvery = 30 * time.Second

	// prompt is how soon a blocking request returns that had something to say from the beginning.
	prompt = time.Second

	// plainFor is how long a watch makes plain requests only. It does so after the leader contradicted what a blocking
	// one had said, or while instances are lost one after the other.
	plainFor = 5 * time.Second

	// plainAfter is how long watches of an agent's view make plain requests only, after an outage or a change of the
	// store. The view is filled anew after pauses that grow to 6 s. Until then it is the old one.
	plainAfter = 10 * time.Second

	// spreadOver is the time over which watches restart that restart together.
	spreadOver = 250 * time.Millisecond
)

// errRestart ends what a watch is doing so that it starts anew.
var errRestart = errors.New("asked to restart")

// knowledge is what a watch has delivered.
type knowledge uint8

const (
	unknown knowledge = iota // nothing yet, or it is to be delivered again
	present                  // a value
	absent                   // that there is nothing
)

// watch follows one query until its context ends. It delivers what is certain and nothing else. A result that would
// take something away is confirmed by the leader, without blocking. And an error changes nothing.
//
// It knows nothing of HTTP: fetch is all that it does, so its tests run in a bubble of their own
// time.
type watch[T any] struct {
	fetch    fetcher[T]
	same     func(a, b T) bool
	loses    func(from, to T) bool // something is gone: confirm; nil = never
	deliver  func(context.Context, result[T])
	peers    peers
	streamed bool          // blocking requests are answered from a view of the agent
	wait     time.Duration // how long a request blocks
	polls    bool          // never blocks, queries at intervals
	limiter  *rate.Limiter
	paced    time.Duration // pause between requests, to which pause adds; 0 = the limiter never changes
	tracker  *discovery.Tracker
	woken    chan struct{} // one token: end the pause after an error

	// Only the goroutine of run touches these.
	index      uint64 // what the next request waits to pass; 0 = do not block
	fails      int    // errors in a row
	leaderAt   time.Time
	unproven   bool      // no blocking request has returned since the leader was queried
	lostAt     time.Time // when an instance was last lost
	plainUntil time.Time

	// Only the looks of the monitor touch these, one at a time.
	looked        seen[T] // what it was compared with
	comparedIndex uint64  // of the comparison that last restarted it for its index alone

	mu sync.Mutex
	// +checklocks:mu
	cancel context.CancelCauseFunc
	// +checklocks:mu
	again bool // start from index 0
	// +checklocks:mu
	redeliver bool // deliver also what is known
	// +checklocks:mu
	delay time.Duration // before the next request
	// +checklocks:mu
	seen seen[T]
}

// seen is what others may know of a watch.
type seen[T any] struct {
	known   knowledge
	last    result[T] // what was delivered last, with the newest index
	version uint64    // counts the results
	phase   phase
	since   time.Time                // of the phase
	class   telemetry.DiscoveryClass // of the error, while pausing
}

// phase is what a watch does at the moment.
type phase uint8

const (
	phaseIdle    phase = iota // between requests
	phasePlain                // waits for the response to a plain request
	phaseParked               // waits for the response to a blocking request
	phasePausing              // waits after an error
	phaseResting              // waits for long: the result is over the limit
)

// peers are the watches of one Consul, as one of them sees them.
type peers interface {
	// restartOthers restarts all but the caller, a little apart.
	restartOthers(caller follower)

	// wakeFailing ends the pauses of those that failed: Consul responds again.
	wakeFailing()
}

// run queries until ctx ends.
func (w *watch[T]) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.turn(ctx)
	}
}

// turn is one request, its confirmation where needed, and what follows from it.
func (w *watch[T]) turn(whole context.Context) {
	ctx, delay, end := w.begin(whole)
	defer end()
	if sleep(ctx, delay) != nil || w.limiter.Wait(ctx) != nil {
		return
	}
	o, start := w.next(), time.Now()
	blocked := o.index
	r, err := w.query(ctx, o)
	took := time.Since(start)
	if blocked > 0 && err == nil && took < w.wait*9/10 {
		w.tracker.Woke()
	}
	if err == nil && w.doubtful(o, r, took) {
		o = fetchOptions{}
		r, err = w.confirm(ctx, r)
	}
	switch {
	case ctx.Err() != nil: // ended, or asked to restart: what came is not used
	case errors.Is(err, errMoved):
		w.index = 0
	case err != nil:
		w.backOff(ctx, err)
	case blocked > 0 && !o.leader() && r.index == blocked:
		w.unchanged(took)
	default:
		w.accept(whole, o, r)
		if w.polls {
			_ = sleep(ctx, jitter(pollEvery)) // interrupted or not, the next turn follows
		}
	}
}

// begin makes the context that restart cancels, and takes up what it wanted while there was none.
func (w *watch[T]) begin(ctx context.Context) (context.Context, time.Duration, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ctx, w.cancel = context.WithCancelCause(ctx)
	if w.again {
		w.again, w.index = false, 0
		if w.delay > 0 && w.streamed {
			w.plainUntil = time.Now().Add(plainAfter)
		}
	}
	if w.redeliver {
		w.redeliver, w.seen.known = false, unknown
	}
	delay := w.delay
	w.delay = 0
	return ctx, delay, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancel(nil)
		w.cancel = nil
		w.seen.phase = phaseIdle
	}
}

// restart makes the watch query anew: whatever it waits for is cancelled. With redeliver it also
// delivers what it has delivered before. With spread it is one of many, after an outage or a change of the store. It
// waits a little first, and does not trust the agent's view at once.
func (w *watch[T]) restart(redeliver, spread bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.again = true
	w.redeliver = w.redeliver || redeliver
	if spread {
		w.delay = 1 + rand.N(spreadOver)
	}
	if w.cancel != nil {
		w.cancel(errRestart)
	}
}

// wake ends the pause after an error, if there is one.
func (w *watch[T]) wake() { discovery.Signal(w.woken) }

// backOff keeps what is known and waits. After an error the agent or the cluster may be another one,
// whose index has nothing to do with ours.
func (w *watch[T]) backOff(ctx context.Context, err error) {
	w.fails++
	w.index = 0
	class := classOf(err)
	w.tracker.Failed(class, advised(err))
	w.enter(phasePausing, class)
	wait := backoff(class, w.fails)
	if errors.Is(err, errTooLarge) {
		wait = largeAgain
		w.enter(phaseResting, class) // no one wakes it: each look at it is expensive
	}
	pause := time.NewTimer(jitter(wait))
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-w.woken:
	case <-ctx.Done(): // interrupted or not, the next turn follows
	}
}

// enter notes what the watch does from now on.
func (w *watch[T]) enter(p phase, class telemetry.DiscoveryClass) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.phase, w.seen.since, w.seen.class = p, time.Now(), class
}
