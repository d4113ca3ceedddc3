package consul

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// While something fails, Consul is probed about every probeEvery.
	probeEvery   = time.Second
	probeTimeout = time.Second

	// overdue is how long a plain request may take before Consul is probed beside it.
	overdue = time.Second

	// tellEvery bounds how often one watch restarts the others.
	tellEvery = 2 * time.Second

	// recoverEvery bounds how often all watches restart because Consul responds again.
	recoverEvery = 5 * time.Second

	// deadAfter is how long it may take while Consul responds to probes.
	deadAfter = 3 * time.Second

	// looksAtOnce bounds the looks of one round: 24 requests a minute are the most.
	looksAtOnce = 4
)

// follower is a watch, as the monitor sees it.
type follower interface {
	restart(redeliver, spread bool)
	wake()
	look(ctx context.Context) (verdict, error)
	status() (p phase, since time.Time, class telemetry.DiscoveryClass, bytes int64)
}

// monitor keeps watch over the watches of one Consul. A parked request knows nothing of a connection
// that died without a word, or of a server that was replaced: the monitor looks for itself, over
// connections of its own, and restarts the watches that are wrong. While watches fail it probes for
// them all, so that they return together and soon without querying all the time.
type monitor struct {
	probe     func(context.Context) error // a cheap request over a connection of its own
	reconnect func()                      // gives up the connections there are

	recoveredAt time.Time // of the goroutine of run

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
		if p, _, _, _ := w.status(); p == phasePausing {
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
	reachable := true
	begun := time.Now()
	round := begun.Add(lookEvery)
	for sleep(ctx, jitter(probeEvery)-time.Since(begun)) == nil { // a probe that hung is followed by the next at once
		begun = time.Now()
		switch failing := m.failing(); {
		case failing || !reachable:
			reachable = m.probeOnce(ctx, reachable)
		case !time.Now().Before(round):
			round = time.Now().Add(lookEvery - probeEvery)
			reachable = m.lookRound(ctx)
		}
	}
}

// failing tells whether a watch fails for want of responses, or waits for one for long.
func (m *monitor) failing() bool {
	return slices.ContainsFunc(m.all(), func(w follower) bool {
		p, since, class, _ := w.status()
		return p == phasePlain && time.Since(since) > overdue || p == phasePausing && unreachable(class)
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
	within, cancel := context.WithTimeoutCause(ctx, probeTimeout, errSlow)
	defer cancel()
	if err := m.probe(within); err != nil && unreachable(classOf(err)) {
		return false
	}
	if !reachable {
		m.recovered()
		return true
	}
	m.restartOverdue()
	m.wakeOne()
	return true
}

// recovered restarts all watches over new connections. Those that are only paused are woken if that was
// a moment ago: a Consul that responds now and then is not made slower by it.
func (m *monitor) recovered() {
	if now := time.Now(); now.Sub(m.recoveredAt) > recoverEvery {
		m.recoveredAt = now
		m.reconnect()
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
		p, since, _, _ := w.status()
		if p == phasePlain && now.Sub(since) > deadAfter && now.Sub(f.restartedAt) > plainTimeout+deadAfter {
			f.restartedAt = now
			chosen = append(chosen, w)
		}
	}
	m.mu.Unlock()
	if len(chosen) > 0 {
		m.reconnect()
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
		p, _, class, _ := w.status()
		if p == phasePausing && unreachable(class) && (chosen == nil || f.wokenAt.Before(m.followers[chosen].wokenAt)) {
			chosen = w
		}
	}
	if chosen != nil {
		m.followers[chosen].wokenAt = time.Now()
		chosen.wake()
	}
}

// lookRound looks at the watches that are due, the longest waiting first, and tells whether Consul
// responded.
func (m *monitor) lookRound(ctx context.Context) bool {
	for _, w := range m.due() {
		found, err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return true
		case found == lookStale:
			m.reconnect() // the connection that it is parked on may be dead, or lead elsewhere
			m.restartAllBut(nil)
			return true
		case found == lookFailed && unreachable(classOf(err)):
			return false
		}
	}
	return true
}

// due picks the watches to look at in this round.
func (m *monitor) due() []follower {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	type candidate struct {
		w follower
		f *followed
	}
	var all []candidate
	for w, f := range m.followers {
		_, _, _, bytes := w.status()
		if now.Sub(f.lookedAt) >= lookInterval(bytes)-probeEvery {
			all = append(all, candidate{w, f})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int { return a.f.lookedAt.Compare(b.f.lookedAt) })
	var due []follower
	for _, c := range all[:min(len(all), looksAtOnce)] {
		c.f.lookedAt = now
		due = append(due, c.w)
	}
	return due
}

func lookInterval(bytes int64) time.Duration {
	return lookEvery + time.Duration(bytes)*lookEvery/lookBytes
}
