package consul

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
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
	// every compareEvery.
	atOnce = 8
)

// follower is a watch, as the monitor sees it.
type follower interface {
	restart(redeliver, spread bool)
	wake()
	compare(ctx context.Context) finding
	compareTwice(ctx context.Context) finding
	try(ctx context.Context) error
	status() condition
}

// monitor keeps watch over the watches of one Consul. A parked request knows nothing of a
// connection that died without a sign, or of a server that was replaced. So the monitor looks for
// itself, over connections of its own, and restarts the watches that are wrong. While watches fail
// it probes for them all, so that they return together and soon without querying all the time.
type monitor struct {
	// a cheap request; fresh = not over a connection that there is
	probe     func(ctx context.Context, fresh bool) error
	reconnect func() // gives up the connections there are
	returned  func() // is told that Consul responds again; nil = nobody is

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
	comparedAt time.Time
	wokenAt    time.Time
	triedAt    time.Time

	restartedAt time.Time // for being overdue
}

// enlist has w monitored until leave is called.
func (m *monitor) enlist(w follower) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers[w] = &followed{comparedAt: time.Now()}
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
	if m.returned != nil {
		m.returned()
	}
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
	looking.Go(func() { m.comparisons(ctx) })
	m.beats(ctx)
}

// renew gives up the connections there are. The next beat makes one to go by.
func (m *monitor) renew() {
	m.reconnect()
	m.renewed.Store(true)
}

// comparisons looks at what parked requests may not see, until ctx ends.
func (m *monitor) comparisons(ctx context.Context) {
	for sleep(ctx, jitter(probeEvery)) == nil {
		m.compareRound(ctx)
	}
}

// compareRound compares the watches that are due. Those that do not know what Consul says have some time to learn it.
func (m *monitor) compareRound(ctx context.Context) {
	now := time.Now()
	due := m.choose(func(w follower, f *followed) bool {
		c := w.status()
		return !c.polls && now.Sub(f.comparedAt) >= compareInterval(c.bytes)-probeEvery
	}, func(f *followed) *time.Time { return &f.comparedAt })
	if len(due) == 0 {
		return
	}
	differ := each(due, func(w follower) bool { return w.compare(ctx) == findingDiffers })
	if len(differ) == 0 || sleep(ctx, toldWithin) != nil {
		return
	}
	if stale := each(differ, func(w follower) bool { return w.compareTwice(ctx) == findingStale }); len(stale) > 0 {
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
	type candidate struct {
		w    follower
		last *time.Time
	}
	var all []candidate
	for w, f := range m.followers {
		if wanted(w, f) {
			all = append(all, candidate{w, at(f)})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return a.last.Compare(*b.last) })
	var chosen []follower
	for _, c := range all[:min(len(all), atOnce)] {
		*c.last = time.Now()
		chosen = append(chosen, c.w)
	}
	return chosen
}

func compareInterval(bytes int64) time.Duration {
	return compareEvery + time.Duration(bytes)*compareEvery/compareBytes
}
