package cluster

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Location is where the gateway runs, as the catalog names places.
type Location struct {
	Node       string // empty = not known
	Datacenter string // of the node
	Zone       string // empty = not known
	Unknown    string // why something of it is not known
}

// split is the endpoints of a view in two parts: those on the same node, or in the same zone, and the others. A pick
// goes to a near one while there is room: see nearShare.
type split struct {
	near, far       tier
	nearAll, farAll int64 // weights, of those that are not healthy too

	// The only part that changes: with ejections, probes and slow starts.
	share atomic.Int64
}

// SetLocation says where the gateway runs. Clusters that prefer what is near act on it at once.
func (s *Set) SetLocation(l Location) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l == s.here {
		return
	}
	s.here = l
	for _, g := range s.groups {
		g.relocate() // +checklocksignore: one set
	}
}

// Location is what SetLocation said last. It is safe from any goroutine.
func (s *Set) Location() Location {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.here
}

// relocate builds the views that depend on where the gateway runs.
//
// +checklocks:g.set.mu
func (g *group) relocate() {
	changed := false
	for _, c := range g.live {
		if c.cfg.Consul.Prefer != "" {
			c.view.Store(c.build()) // +checklocksignore: one set
			changed = true
		}
	}
	if changed {
		g.noteChange()
	}
}

// isNear tells whether the catalog has the endpoint where the gateway runs. What only the document names never is.
func (l Location) isNear(e *entry, c *config.Consul) bool {
	switch {
	case e == nil:
		return false
	case c.Prefer == config.PreferNode:
		return l.Node != "" && e.Node == l.Node && (c.Datacenter == "" || c.Datacenter == l.Datacenter)
	}
	return l.Zone != "" && e.Zone == l.Zone
}

// divide makes the two parts of the view's members. before is what was there before.
//
// +checklocks:c.group.set.mu
func (v *view) divide(c *Cluster, before *split) {
	if before == nil {
		before = &split{}
	}
	p := &split{}
	near := make(map[*Endpoint]bool, len(v.listed))
	for i := range v.listed {
		l := &v.listed[i]
		l.near = c.group.set.here.isNear(l.entry, &c.cfg.Consul)
		near[l.endpoint] = l.near
		if l.near {
			v.near++
			p.nearAll += int64(l.weight)
		} else {
			p.farAll += int64(l.weight)
		}
	}
	for _, m := range v.members {
		if near[m.endpoint] {
			p.near.members = append(p.near.members, m)
		} else {
			p.far.members = append(p.far.members, m)
		}
	}
	v.sole = len(p.near.members) > 0 && len(p.far.members) == 0
	if v.unhealthy || len(p.near.members) == 0 || len(p.far.members) == 0 {
		return // there is nothing to choose between
	}
	p.near.prepare(c, &before.near)
	p.far.prepare(c, &before.far)
	p.update()
	v.split = p
}

// overprovisioning is what the capacity of endpoints is taken to be, in tenths of their weight. So they take all as
// long as 72 % of the weight is healthy. It is the factor 1.4 of Envoy.
const overprovisioning = 14

// nearShare is which share of the requests, of full, goes to the near endpoints: as much as the healthy ones of them
// have capacity for. If both parts together have too little, they share in proportion to what they have. near and far
// are healthy weights times full, the others are weights.
func nearShare(near, nearAll, far, farAll int64) int64 {
	n, f := capacity(near, nearAll), capacity(far, farAll)
	if n+f == 0 || n+f >= full {
		return n
	}
	return n * full / (n + f)
}

// capacity is how much of all requests, of full, endpoints can take of whose weight so much, times full, is healthy.
func capacity(healthy, all int64) int64 {
	if all <= 0 {
		return 0
	}
	return min(full, healthy*overprovisioning/10/all)
}

// update works out the share anew.
func (p *split) update() {
	p.share.Store(nearShare(p.near.healthy(), p.nearAll, p.far.healthy(), p.farAll))
}

// healthy is the weight, times full, of those that are not ejected. In a slow start it counts in part, and so it does
// while an endpoint is probed: without a request it would never return.
func (t *tier) healthy() (sum int64) {
	for i := range t.members {
		if h := t.members[i].health; h.gate.Load() != gateEjected {
			sum += t.members[i].weight * h.pace.Load()
		}
	}
	return sum
}

// splitSeed makes the draw of a key for a part differ from that for an endpoint.
const splitSeed = 0x6a09e667f3bcc909

// order draws by the share which part comes first. The same key, if it is not 0, always draws alike.
func (p *split) order(key uint64) (first, second *tier) {
	share := p.share.Load()
	near := share >= full
	switch {
	case near || share <= 0:
	case key != 0:
		near = int64(mix(key^splitSeed)%full) < share
	default:
		near = rand.Int64N(full) < share
	}
	if near {
		return &p.near, &p.far
	}
	return &p.far, &p.near
}

// preferred leases an endpoint not yet tried, from the part that the share says, else from the other one.
func (c *Cluster) preferred(p *split, tried *Tried) *Endpoint {
	first, second := p.order(tried.key())
	if e := c.from(first, first.members, tried, false); e != nil {
		return e
	}
	return c.from(second, second.members, tried, false)
}

// notePreference works out the share of the near endpoints. It says once that the others take a part of the requests,
// or that they do so no more.
func (g *group) notePreference() {
	c := g.active.Load()
	if c == nil || c.cfg.Consul.Prefer == "" {
		return
	}
	st := c.view.Load().preference(c)
	spills := st.Near > 0 && st.Share < 1
	if g.spilling.Swap(spills) == spills {
		return
	}
	what := []any{"cluster", g.name, "prefer", st.By, "near", st.Near, "share", st.Share}
	if spills {
		g.log.Warn("too few near endpoints are healthy, others are used too", what...)
	} else {
		g.log.Info("near endpoints take all requests again", what...)
	}
}

// nearShare is which share of the requests goes to the near endpoints now, for telemetry.
func (g *group) nearShare() float64 {
	c := g.active.Load()
	return c.view.Load().preference(c).Share
}

// PreferStatus is which endpoints a cluster prefers, and how far.
type PreferStatus struct {
	By    string  `json:"by"`             // node or zone
	Here  string  `json:"here,omitempty"` // the gateway's; empty: not known, so all are alike
	Near  int     `json:"near"`           // endpoints there
	Share float64 `json:"share"`          // of the requests that go to them, 0 to 1
	Why   string  `json:"why,omitempty"`  // why the gateway's is not known
}

// String says it as people read it: "prefers zone eu-1a: 2 of its endpoints, for 83 % of the requests".
func (p *PreferStatus) String() string {
	if p.Here == "" {
		return fmt.Sprintf("prefers the %s of the gateway, which is not known (%s)", p.By, p.Why)
	}
	return fmt.Sprintf("prefers %s %s: %d of its endpoints, for %.0f %% of the requests", p.By, p.Here, p.Near,
		100*p.Share)
}

// preference works out the share and tells of it.
func (v *view) preference(c *Cluster) PreferStatus {
	st := PreferStatus{By: c.cfg.Consul.Prefer, Near: v.near}
	switch {
	case v.split != nil:
		v.split.update()
		st.Share = float64(v.split.share.Load()) / full
	case v.sole:
		st.Share = 1
	}
	return st
}

// preferStatus is nil for a cluster that prefers none.
//
// +checklocks:c.group.set.mu
func (c *Cluster) preferStatus(v *view) *PreferStatus {
	if c.cfg.Consul.Prefer == "" {
		return nil
	}
	st, here := v.preference(c), c.group.set.here
	st.Here = here.Zone
	if st.By == config.PreferNode {
		st.Here = here.Node
	}
	if st.Here == "" {
		st.Why = here.Unknown
	}
	return &st
}

// restsBy says why an endpoint that could be used gets no requests: near ones take all; empty: it gets some.
func (v *view) restsBy(l *listing, c *Cluster) string {
	if v.split == nil || l.near || v.split.share.Load() < full {
		return ""
	}
	return "another " + c.cfg.Consul.Prefer
}
