package cluster

import (
	"slices"
	"strings"
)

// Reach is to which endpoints a request for a cluster can go, be it by a cluster that stands in.
type Reach uint8

// From the worst to the best.
const (
	NoEndpoint   Reach = iota
	CriticalOnly       // the catalog calls all of them critical: they are used in panic mode
	HasEndpoint        // whatever active checks and requests have shown of it
)

// Reach tells it of this moment.
func (c *Cluster) Reach() Reach {
	best := c.reachAlone()
	for _, other := range c.StandIns() {
		best = max(best, other.reachAlone())
	}
	return best
}

func (c *Cluster) reachAlone() Reach {
	v := c.view.Load()
	switch {
	case len(v.members) == 0:
		return NoEndpoint
	case v.critical:
		return CriticalOnly
	}
	return HasEndpoint
}

// Lack says what keeps the instances of the service that the cluster follows from being used, as in "consul service
// orders: not in the catalog". It is empty where the cluster follows none.
func (c *Cluster) Lack() string {
	c.group.set.mu.Lock()
	what := c.feed.follows() // +checklocksignore: one set
	c.group.set.mu.Unlock()
	var states []string
	for _, l := range c.view.Load().listed {
		if l.entry == nil || l.entry.State == deregistered {
			continue
		}
		state := l.entry.stateName()
		if l.weight <= 0 {
			state += " with weight 0"
		}
		states = append(states, state)
	}
	if what == "" || states == nil {
		return what
	}
	slices.Sort(states)
	return what + ": " + strings.Join(slices.Compact(states), ", ")
}
