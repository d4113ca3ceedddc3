package cluster

import (
	"math/rand/v2"
	"slices"
)

// draws is how often random draws to find an endpoint that may be used before it
// goes through all of them.
const draws = 8

// random leases an endpoint at random, by weight.
func random(t *tier, tried *Tried) *Endpoint {
	for range draws {
		m := t.draw()
		if m != nil && !tried.has(m.health) && m.health.enter() {
			return m.endpoint
		}
	}
	return scan(t.members, tried, false)
}

// draw gives a member at random by weight, or nil when a slow start says no.
func (t *tier) draw() *member {
	i := 0
	if n := len(t.cumulative); n > 1 {
		at := rand.Int64N(t.cumulative[n-1])
		i, _ = slices.BinarySearch(t.cumulative, at+1)
	}
	m := &t.members[i]
	if pace := m.health.pace.Load(); pace < full && rand.Int64N(full) >= pace {
		return nil
	}
	return m
}

// scan leases the first of ms, from a random one on, that may be used.
func scan(ms []member, tried *Tried, panicking bool) *Endpoint {
	from := rand.IntN(len(ms))
	for i := range ms {
		m := &ms[(from+i)%len(ms)]
		if tried.has(m.health) {
			continue
		}
		if panicking {
			return m.endpoint.lease()
		}
		if m.health.enter() {
			return m.endpoint
		}
	}
	return nil
}

// leastRequest draws two different endpoints by weight and leases the one with fewer
// requests in flight for its weight. That is nearly as good as looking at all, and
// not everybody takes the same one.
func leastRequest(t *tier, tried *Tried) *Endpoint {
	for range draws {
		a, b := t.draw(), t.draw()
		for again := 0; a == b && again < draws; again++ {
			b = t.draw()
		}
		m := lessBusy(usable(a, tried), usable(b, tried))
		if m != nil && m.health.enter() {
			return m.endpoint
		}
	}
	return scan(t.members, tried, false)
}

// usable gives m if it may be picked now, else nil.
func usable(m *member, tried *Tried) *member {
	if m == nil || tried.has(m.health) || !m.health.open() {
		return nil
	}
	return m
}

// lessBusy gives the one with less load for its weight, the first if they are
// equal. Draws are by weight already, so idle endpoints share by weight.
func lessBusy(a, b *member) *member {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case b.health.inFlight.Load()*a.weight < a.health.inFlight.Load()*b.weight:
		return b
	default:
		return a
	}
}
