package cluster

import "github.com/fabian4/gateway-homebrew-go/internal/config"

// choose leases an endpoint of v, or returns nil. Another endpoint comes before
// one already tried, a healthy one before one in panic.
func (c *Cluster) choose(v *view, tried *Tried) *Endpoint {
	if v.split != nil {
		if e := c.preferred(v.split, tried); e != nil {
			return e
		}
	} else if e := c.from(&v.tier, v.members, tried, false); e != nil {
		return e
	}
	if tried != nil && tried.n > 0 {
		if e := c.from(&v.tier, v.members, nil, false); e != nil {
			return e
		}
	}
	if c.strict {
		return nil
	}
	if e := c.from(&v.tier, v.all, tried, true); e != nil {
		return e
	}
	return c.from(&v.tier, v.all, nil, true)
}

// usable are the endpoints of v from which choose takes one for a first try. Of one that is probed
// that is so once in a while. While another cluster stands in, only such ones are.
func (c *Cluster) usable(v *view) map[*Endpoint]bool {
	open, aside := map[*Endpoint]bool{}, c.Serving() > 0
	for _, m := range v.members {
		if gate := m.health.gate.Load(); gate == gateProbing || gate == gateOpen && !aside {
			open[m.endpoint] = true
		}
	}
	if len(open) > 0 || c.strict || aside {
		return open
	}
	for _, m := range v.all {
		open[m.endpoint] = true
	}
	return open
}

// maxScan is up to how many endpoints the smooth round robin looks at each for
// every pick (some 2 ns each). Over more, weighted random draws are as even.
const maxScan = 64

// from runs the cluster's balancer over ms. A switch and not an interface, so
// that a Tried on the caller's stack stays there.
func (c *Cluster) from(t *tier, ms []member, tried *Tried, panicking bool) *Endpoint {
	if len(ms) == 0 {
		return nil
	}
	switch {
	case t.slots != nil && tried.key() != 0:
		return hashed(t, tried, tried.key(), panicking)
	case panicking && len(ms) > maxScan:
		return scan(ms, tried, true)
	case panicking:
		return c.group.roundRobin(ms, tried, true)
	case c.cfg.Balance == config.BalanceLeastRequest:
		return leastRequest(t, tried)
	case c.cfg.Balance == config.BalanceRandom || t.slots != nil || len(ms) > maxScan:
		return random(t, tried)
	default:
		return c.group.roundRobin(ms, tried, false)
	}
}

// roundRobin is nginx's smooth weighted round robin: in each turn every endpoint
// earns its effective weight, the richest is picked and pays what all earned. So
// weights 5,1,1 give a a b a c a a, never five in a row.
//
// The effective weight is the weight times two shares, both 1 for an endpoint that is well. One is factor, which falls
// with each failure and recovers turn by turn, also in turns that go to others, in proportion to its weight. The other
// is pace, the slow start.
//
// The turn must be one step for all callers, or two of them pick the same endpoint. Hence a lock, held for some 2 ns an
// endpoint, one per cluster. With panicking, gates are ignored.
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
