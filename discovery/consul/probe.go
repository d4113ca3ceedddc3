package consul

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// How the monitor finds out whether Consul responds, and what it does when it does so again.

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
	var beating sync.WaitGroup
	defer beating.Wait()
	defer cancel()
	answered := make(chan error, 1)
	beating.Go(func() { answered <- m.probe(old, false) })
	silent := time.NewTimer(overdue)
	defer silent.Stop()
	select {
	case err := <-answered:
		return err == nil || !unreachable(classOf(err))
	case <-silent.C:
	}
	if !m.responds(ctx) {
		return false
	}
	if len(answered) == 0 { // else it is slow, and not dead
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

// recovered restarts all watches over new connections. Where that was done a moment ago, only those that are paused
// are woken. So a Consul that responds now and then is not made slower by it.
func (m *monitor) recovered() {
	if now := time.Now(); now.Sub(m.recoveredAt) > recoverEvery {
		m.recoveredAt = now
		if m.returned != nil {
			m.returned()
		}
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
		if w.status().dead() && now.Sub(f.restartedAt) > plainTimeout+deadAfter {
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
		if c.phase == phasePausing && unreachable(c.class) &&
			(chosen == nil || f.wokenAt.Before(m.followers[chosen].wokenAt)) {
			chosen = w
		}
	}
	if chosen != nil {
		m.followers[chosen].wokenAt = time.Now()
		chosen.wake()
	}
}
