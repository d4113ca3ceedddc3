package cluster

// Tried remembers the endpoints that a request has been sent to, so that a
// retry goes to another one first. The zero value remembers none; one request
// owns it. Beyond its room the oldest is forgotten: a request that was tried
// on more endpoints than that has other problems.
type Tried struct {
	// Key decides where the request goes in a cluster with balance hash; 0 = anywhere. See [Hash].
	Key uint64

	seen [4]*health
	n    int
}

// Untried tells whether there is an endpoint in use that the request has not been sent to: one that
// a Pick with t would choose.
func (c *Cluster) Untried(t *Tried) bool {
	for _, m := range c.view.Load().members {
		if !t.has(m.health) && m.health.open() {
			return true
		}
	}
	return false
}

func (t *Tried) add(h *health) {
	t.seen[t.n%len(t.seen)] = h
	t.n++
}

// key is safe on a nil Tried, which has none.
func (t *Tried) key() uint64 {
	if t == nil {
		return 0
	}
	return t.Key
}

// has is safe on a nil Tried, which has seen none.
func (t *Tried) has(h *health) bool {
	if t == nil || t.n == 0 {
		return false
	}
	for _, s := range t.seen {
		if s == h {
			return true
		}
	}
	return false
}
