package consul

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// While something fails, Consul is probed about every probeEvery.
	probeEvery   = time.Second
	probeTimeout = time.Second

	// beatEvery is how often a connection that there is already is used for a small request: nothing else
	// tells that it died without a sign. One that is silent for overdue is given up if a new one works.
	beatEvery = 2 * time.Second

	// overdue is how long a plain request may take before Consul is queried beside it.
	overdue = time.Second

	// tellEvery bounds how often one watch restarts the others.
	tellEvery = 2 * time.Second

	// recoverEvery bounds how often all watches restart because Consul responds again.
	recoverEvery = 5 * time.Second

	// deadAfter is how long it may take while Consul responds to probes.
	deadAfter = 3 * time.Second

	// atOnce bounds how many watches are looked at, or queried for, in one second. So up to 80 are looked at
	// every lookEvery.
	atOnce = 8
)

// follower is a watch, as the monitor sees it.
type follower interface {
	restart(redeliver, spread bool)
	wake()
	look(ctx context.Context) verdict
	lookTwice(ctx context.Context) verdict
	try(ctx context.Context) error
	status() condition
}

// monitor keeps watch over the watches of one Consul. A parked request knows nothing of a connection
// that died without a word, or of a server that was replaced: the monitor looks for itself, over
// connections of its own, and restarts the watches that are wrong. While watches fail it probes for
// them all, so that they return together and soon without querying all the time.
type monitor struct {
	probe     func(ctx context.Context, fresh bool) error // a cheap request; fresh = not over a connection that there is
	reconnect func()                                      // gives up the connections there are

	recoveredAt time.Time   // of the goroutine that beats
	renewed     atomic.Bool // connections were given up

	mu sync.Mutex
	// +checklocks:mu
	toldAt time.Time // when a watch last restarted the others
	// +checklocks:mu
	followers map[follower]*followed
}

// followed is what the monitor notes of a watch.
type followed struct {
	lookedAt time.Time
	wokenAt  time.Time
	triedAt  time.Time

	restartedAt time.Time // for being overdue
}

// enlist has w monitored until leave is called.
func (m *monitor) enlist(w follower) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers[w] = &followed{lookedAt: time.Now()}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.followers, w)
	}
}

// restartOthers implements peers. What several watches find out at once restarts the others once.
func (m *monitor) restartOthers(caller follower) {
	m.mu.Lock()
	if time.Since(m.toldAt) < tellEvery {
		m.mu.Unlock()
		return
	}
	m.toldAt = time.Now()
	m.mu.Unlock()
	m.restartAllBut(caller)
}

func (m *monitor) restartAllBut(caller follower) {
	for _, w := range m.all() {
		if w != caller {
			w.restart(false, true)
		}
	}
}

// wakeFailing implements peers.
func (m *monitor) wakeFailing() {
	for _, w := range m.all() {
		if w.status().phase == phasePausing {
			w.wake()
		}
	}
}

func (m *monitor) all() []follower {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]follower, 0, len(m.followers))
	for w := range m.followers {
		all = append(all, w)
	}
	return all
}

// run probes and looks until ctx ends.
func (m *monitor) run(ctx context.Context) {
	var looking sync.WaitGroup
	defer looking.Wait()
	looking.Go(func() { m.looks(ctx) })
	m.beats(ctx)
}

// beats finds out whether Consul responds: seldom while all is well, and once a second while it is not.
func (m *monitor) beats(ctx context.Context) {
	reachable := true
	begun := time.Now()
	var last time.Time
	for sleep(ctx, jitter(probeEvery)-time.Since(begun)) == nil { // a probe that hung is followed by the next at once
		begun = time.Now()
		switch {
		case !reachable || m.failing():
			reachable = m.probeOnce(ctx, reachable)
		case m.renewed.Swap(false) || begun.Sub(last) >= beatEvery:
			last = begun
			reachable = m.beat(ctx)
		}
	}
}

// beat uses a connection that there is already, and tells whether Consul responds. If the connection is silent
// while a new one works it is dead, and so may be those on which the watches wait.
func (m *monitor) beat(ctx context.Context) (reachable bool) {
	old, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	answered := make(chan error, 1)
	go func() { answered <- m.probe(old, false) }()
	ended := false
	defer func() {
		cancel()
		if !ended {
			<-answered
		}
	}()
	silent := time.NewTimer(overdue)
	defer silent.Stop()
	select {
	case err := <-answered:
		ended = true
		return err == nil || !unreachable(classOf(err))
	case <-silent.C:
	}
	if !m.responds(ctx) {
		return false
	}
	select {
	case <-answered: // slow, and not dead
		ended = true
	default:
		m.recovered()
	}
	return true
}

// responds tells whether Consul does, over a new connection.
func (m *monitor) responds(ctx context.Context) bool {
	within, cancel := context.WithTimeoutCause(ctx, probeTimeout, errSlow)
	defer cancel()
	err := m.probe(within, true)
	return err == nil || !unreachable(classOf(err))
}

// failing tells whether a watch fails for want of responses, or waits for one for long.
func (m *monitor) failing() bool {
	return slices.ContainsFunc(m.all(), func(w follower) bool {
		c := w.status()
		return c.overdue(overdue) || c.phase == phasePausing && unreachable(c.class)
	})
}

// unreachable tells whether an error of this class may end at any moment. Refusals have a longer
// pace of their own.
func unreachable(class telemetry.DiscoveryClass) bool {
	return class == telemetry.DiscoveryTransport || class == telemetry.DiscoveryServer
}

// probeOnce tells whether Consul responds. When it does so again, all watches start anew, over new
// connections. When it does but watches still fail, one of them tries.
func (m *monitor) probeOnce(ctx context.Context, reachable bool) bool {
	if !m.responds(ctx) {
		return false
	}
	if !reachable {
		m.recovered()
		return true
	}
	for m.tryOverdue(ctx) { // more than are tried at once may have been sent to nobody
	}
	m.restartOverdue()
	m.wakeOne()
	return true
}

// tryOverdue makes some of the requests that take long once more, over connections of its own. Where one is answered
// the request before it never will be: it was sent to nobody. It tells whether there was one.
func (m *monitor) tryOverdue(ctx context.Context) bool {
	long := m.choose(
		func(w follower, _ *followed) bool { return w.status().overdue(overdue / 2) },
		func(f *followed) *time.Time { return &f.triedAt },
	)
	return len(each(long, func(w follower) bool {
		since := w.status().since
		if w.try(ctx) != nil || !w.status().since.Equal(since) {
			return false
		}
		m.renew()
		w.restart(false, true)
		return true
	})) > 0
}

// renew gives up the connections there are. The next beat makes one to go by.
func (m *monitor) renew() {
	m.reconnect()
	m.renewed.Store(true)
}

// recovered restarts all watches over new connections. Those that are only paused are woken if that was
// a moment ago: a Consul that responds now and then is not made slower by it.
func (m *monitor) recovered() {
	if now := time.Now(); now.Sub(m.recoveredAt) > recoverEvery {
		m.recoveredAt = now
		m.renew()
		m.restartAllBut(nil)
		return
	}
	m.wakeFailing()
}

// restartOverdue restarts the watches whose plain request takes long although Consul responds to
// others: its connection may be dead. They then have time for a slow response.
func (m *monitor) restartOverdue() {
	m.mu.Lock()
	var chosen []follower
	now := time.Now()
	for w, f := range m.followers {
		if w.status().overdue(deadAfter) && now.Sub(f.restartedAt) > plainTimeout+deadAfter {
			f.restartedAt = now
			chosen = append(chosen, w)
		}
	}
	m.mu.Unlock()
	if len(chosen) > 0 {
		m.renew()
	}
	for _, w := range chosen {
		w.restart(false, true)
	}
}

// wakeOne ends the pause of the failing watch that was woken least recently.
func (m *monitor) wakeOne() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var chosen follower
	for w, f := range m.followers {
		c := w.status()
		if c.phase == phasePausing && unreachable(c.class) && (chosen == nil || f.wokenAt.Before(m.followers[chosen].wokenAt)) {
			chosen = w
		}
	}
	if chosen != nil {
		m.followers[chosen].wokenAt = time.Now()
		chosen.wake()
	}
}

// looks looks at what parked requests may not see, until ctx ends.
func (m *monitor) looks(ctx context.Context) {
	for sleep(ctx, jitter(probeEvery)) == nil {
		m.lookRound(ctx)
	}
}

// lookRound looks at the watches that are due. Those that do not know what Consul says have some time to learn it.
func (m *monitor) lookRound(ctx context.Context) {
	now := time.Now()
	due := m.choose(func(w follower, f *followed) bool {
		c := w.status()
		return !c.polls && now.Sub(f.lookedAt) >= lookInterval(c.bytes)-probeEvery
	}, func(f *followed) *time.Time { return &f.lookedAt })
	if len(due) == 0 {
		return
	}
	differ := each(due, func(w follower) bool { return w.look(ctx) == lookDiffers })
	if len(differ) == 0 || sleep(ctx, toldWithin) != nil {
		return
	}
	if stale := each(differ, func(w follower) bool { return w.lookTwice(ctx) == lookStale }); len(stale) > 0 {
		m.renew() // the connection that it is parked on may be dead, or lead elsewhere
		m.restartAllBut(nil)
	}
}

// each does something with watches at the same time, since it may hang for any of them, and returns those for which
// it is true.
func each(all []follower, do func(follower) bool) (found []follower) {
	var doing sync.WaitGroup
	is := make([]bool, len(all))
	for i, w := range all {
		doing.Go(func() { is[i] = do(w) })
	}
	doing.Wait()
	for i, w := range all {
		if is[i] {
			found = append(found, w)
		}
	}
	return found
}

// choose picks some watches, those that were not chosen for the longest time first, and notes when.
func (m *monitor) choose(wanted func(follower, *followed) bool, at func(*followed) *time.Time) []follower {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []follower
	for w, f := range m.followers {
		if wanted(w, f) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b follower) int { return at(m.followers[a]).Compare(*at(m.followers[b])) })
	all = all[:min(len(all), atOnce)]
	for _, w := range all {
		*at(m.followers[w]) = time.Now()
	}
	return all
}

func lookInterval(bytes int64) time.Duration {
	return lookEvery + time.Duration(bytes)*lookEvery/lookBytes
}
