package cluster

// roundRobin is nginx's smooth weighted round robin: in each turn every endpoint
// earns its effective weight, the richest is picked and pays what all earned. So
// weights 5,1,1 give a a b a c a a, never five in a row.
//
// The effective weight is the weight times two shares, both 1 for an endpoint that
// is well: factor, which falls with each failure and recovers turn by turn (also
// in turns that go to others, in proportion to its weight), and pace, the slow
// start.
//
// The turn must be one step for all callers, or two of them pick the same
// endpoint: hence a lock, held for some 2 ns an endpoint, one per cluster.
// With panicking, gates are ignored.
//
// The analyzer does not see that the healths of ms are of this group.
//
// +checklocksignore
func (g *group) roundRobin(ms []member, tried *Tried, panicking bool) *Endpoint {
	var best *member
	total := int64(0)
	g.mu.Lock()
	for i := range ms {
		m := &ms[i]
		h := m.health
		if !panicking && !h.open() || tried.has(h) {
			continue
		}
		earned := m.weight * full
		if pace := h.pace.Load(); h.factor != full || pace != full {
			earned = m.weight * (h.factor * pace / full)
			h.factor = min(full, h.factor+m.recovery)
		}
		total += earned
		h.current += earned
		if best == nil || h.current > best.health.current {
			best = m
		}
	}
	if best == nil {
		g.mu.Unlock()
		return nil
	}
	best.health.current -= total
	e := best.endpoint.lease()
	g.mu.Unlock()
	return e
}
