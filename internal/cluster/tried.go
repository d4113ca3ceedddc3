package cluster

// Tried remembers the endpoints that a request has been sent to, so that a
// retry goes to another one first. The zero value remembers none; one request
// owns it. Beyond its room the oldest is forgotten: a request that was tried
// on more endpoints than that has other problems.
type Tried struct {
	seen [4]*health
	n    int
}

// Reset forgets all.
func (t *Tried) Reset() { *t = Tried{} }

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
