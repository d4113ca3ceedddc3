package cluster

// leastRequest draws two different endpoints by weight and leases the one with fewer
// requests in flight for its weight: nearly as good as looking at all, without
// everybody rushing to the same one.
func leastRequest(v *view, tried *Tried) *Endpoint {
	for range draws {
		a, b := v.draw(), v.draw()
		for again := 0; a == b && again < draws; again++ {
			b = v.draw()
		}
		m := lessBusy(usable(a, tried), usable(b, tried))
		if m != nil && m.health.enter() {
			return m.endpoint
		}
	}
	return scan(v.members, tried, false)
}

// usable gives m if it may be picked now, else nil.
func usable(m *member, tried *Tried) *member {
	if m == nil || tried.has(m.health) || !m.health.open() {
		return nil
	}
	return m
}

// lessBusy gives the one with less load for its weight, the first if they are
// equal; draws are by weight already, so idle endpoints share by weight.
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
