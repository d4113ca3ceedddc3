package cluster

import (
	"cmp"
	"slices"
	"time"
)

// What a process remembers of the one before it. All of it is older than what the catalog and the requests of this
// process say, so it only fills what is empty.

// ParseState reads what State.String writes.
func ParseState(text string) (State, bool) {
	for s := Passing; s <= Maintenance; s++ {
		if s.String() == text {
			return s, true
		}
	}
	return 0, false
}

// RestoreEndpoints is SetEndpoints with what the catalog said to a process before this one. With held above 0 the
// catalog had none any more, and these were to stay in use for that long.
func (c *Cluster) RestoreEndpoints(list []Instance, held time.Duration) {
	f := c.feed
	if f == nil {
		return
	}
	f.group.set.mu.Lock()
	defer f.group.set.mu.Unlock()
	if len(f.entries) > 0 || len(list) == 0 {
		return // what is known is newer
	}
	now := f.group.clock.now()
	f.deliver(list, now)
	if held > 0 {
		held = min(held, max(f.emptyHold(), 1)) // the clock may have been set back since it was kept
		for address, e := range f.entries {
			kept := *e
			kept.State, kept.hold, kept.until = deregistered, heldEmpty, now+held
			f.entries[address] = &kept
		}
	}
	f.group.rebuild(f)
	f.group.set.wakeAwaiting(f)
}

// HeldUntil is when the endpoints of the cluster are given up since the catalog has none any more; zero while it has.
func (c *Cluster) HeldUntil() time.Time {
	f := c.feed
	if f == nil {
		return time.Time{}
	}
	f.group.set.mu.Lock()
	defer f.group.set.mu.Unlock()
	for _, e := range f.entries {
		if e.hold == heldEmpty {
			return f.group.clock.wall(e.until)
		}
	}
	return time.Time{}
}

// Ejection is an endpoint that passive health keeps out.
type Ejection struct {
	Cluster   string    `json:"cluster"`
	Address   string    `json:"address"`
	Until     time.Time `json:"until"`
	Ejections int       `json:"ejections"` // how many base times the last one was long
	Cause     Outcome   `json:"cause"`
}

// Ejections are those of now, by cluster and address.
func (s *Set) Ejections() []Ejection {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Ejection
	for _, g := range s.groups {
		g.mu.Lock()
		for _, h := range g.timed {
			if h.gate.Load() == gateEjected { // +checklocksignore: one group
				until, times, cause := h.until, h.ejections, h.cause // +checklocksignore: one group
				all = append(all, Ejection{g.name, h.address, g.clock.wall(until), times, cause})
			}
		}
		g.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Ejection) int {
		return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Address, b.Address))
	})
	return all
}

// RestoreEjections keeps endpoints out for the rest of their time, as far as passive health of this revision would have
// them out. It returns how many.
func (s *Set) RestoreEjections(all []Ejection) (restored int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range all {
		g := s.groups[e.Cluster]
		if g == nil || !g.inService() { // +checklocksignore: one set
			continue
		}
		h := g.healths[e.Address] // +checklocksignore: one set
		if rest := time.Until(e.Until); h != nil && rest > 0 && h.restoreEjection(e, rest) {
			restored++
		}
	}
	return restored
}

// restoreEjection is eject, for the rest of a time that began before this process.
func (h *health) restoreEjection(e Ejection, rest time.Duration) bool {
	g := h.group
	c := g.active.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	if h.gate.Load() != gateOpen || e.Ejections < 1 || !h.eject(c, e.Cause, g.clock.now()) {
		return false
	}
	h.unsettled.Store(true)
	h.ejections = min(e.Ejections, maxRestored)
	h.until = h.since + min(rest, c.outlier.duration(h.ejections))
	return true
}

// maxRestored bounds what a file may say of the length of ejections.
const maxRestored = 1 << 10
