package cluster

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// group is what all revisions of a cluster of one name share. That is its endpoints and their health, the counts that
// limits are held against, what Consul said. When no revision names the cluster any more, it stays while it remembers a
// health.
type group struct {
	name  string
	set   *Set
	clock *clock
	log   hclog.Logger
	tele  *telemetry.Cluster

	requests  atomic.Int64            // leases held
	conns     atomic.Int64            // slots taken
	waiting   atomic.Int32            // len(waiters)
	panicking atomic.Bool             // as last noted
	active    atomic.Pointer[Cluster] // of the newest revision in service
	standsIn  atomic.Pointer[string]  // name of the cluster that stands in, as last logged; nil: none
	spilling  atomic.Bool             // others than the near endpoints are used too, as last logged

	waitMu sync.Mutex // an endpoint's idle lock may be taken inside
	// +checklocks:waitMu
	waiters []*waiter

	mu sync.Mutex // nothing is locked inside
	// +checklocks:mu
	timed []*health // those that Tick has to look after

	// +checklocks:set.mu
	live []*Cluster // of revisions not retired yet
	// +checklocks:set.mu
	feeds map[config.Consul]*feed
	// +checklocks:set.mu
	endpoints map[endpointKey]*Endpoint
	// +checklocks:set.mu
	healths map[string]*health
	// +checklocks:set.mu
	gone []*health // not named any more, the longest gone first
	// +checklocks:set.mu
	sweeps uint64 // so far
}

// endpointKey: one address reached in two ways is two endpoints, of one health.
type endpointKey struct {
	address string
	way     unique.Handle[way] // a way is large, and there may be tens of thousands of endpoints
}

const (
	// rememberFor is how long an endpoint's health outlives its naming.
	rememberFor = 5 * time.Minute
	// rememberMost bounds how many are remembered, the longest gone is forgotten first.
	rememberMost = 1024
)

func newGroup(name string, s *Set, tele *telemetry.Cluster) *group {
	return &group{
		name: name, set: s, clock: s.clock, log: s.log, tele: tele,
		feeds:     map[config.Consul]*feed{},
		endpoints: map[endpointKey]*Endpoint{},
		healths:   map[string]*health{},
	}
}

// join adds a revision's cluster, of which the view is built. The rules of the
// first one are in force at once: those of a revision long gone say nothing.
//
// +checklocks:g.set.mu
func (g *group) join(c *Cluster) {
	if g.live = append(g.live, c); len(g.live) > 1 {
		return
	}
	g.active.Store(c)
	g.tele.SetEndpoints(g.counts)
	g.tele.SetPanic(g.inPanic)
	g.tele.SetHeld(g.held)
}

// forgotten tells whether no one needs the group any more.
//
// +checklocks:g.set.mu
func (g *group) forgotten() bool { return len(g.live) == 0 && len(g.gone) == 0 }

// endpoint gives the endpoint for an address, new or old.
//
// +checklocks:g.set.mu
func (g *group) endpoint(address string, c *Cluster) *Endpoint {
	key := endpointKey{address, c.way}
	if e := g.endpoints[key]; e != nil {
		return e
	}
	h := g.healths[address]
	if h == nil {
		h = newHealth(address, g)
		g.healths[address] = h
	}
	e := &Endpoint{address: address, health: h, group: g}
	e.idle.clock = g.clock
	e.idle.max, e.idle.timeout = c.cfg.Keepalive.MaxIdle, c.cfg.Keepalive.IdleTimeout
	g.endpoints[key] = e
	return e
}

// feed gives what the catalog said to this query. A new one begins with what a feed of the same query has, of this
// cluster or of another. So a revision that renames a cluster, or only changes its filter, loses neither endpoints nor
// holds.
//
// +checklocks:g.set.mu
func (g *group) feed(q config.Consul) *feed {
	if q.Service == "" {
		return nil
	}
	q.EmptyHold, q.Prefer = 0, "" // of the cluster: the query is the same
	f := g.feeds[q]
	if f == nil {
		f = &feed{group: g, onlyPassing: q.OnlyPassing, query: q, entries: map[string]*entry{}}
		if twin := g.set.feedOf(q); twin != nil {
			maps.Copy(f.entries, twin.entries) // +checklocksignore: one set
			f.answered = twin.answered         // +checklocksignore: one set
			f.told = twin.told                 // +checklocksignore: one set
		}
		g.feeds[q] = f
		g.set.addFeed(f) // +checklocksignore: one set
	}
	return f
}

// feedOf gives some feed of the same query, whatever the filter of its clusters, or nil.
//
// +checklocks:s.mu
func (s *Set) feedOf(q config.Consul) *feed {
	for f := range s.feeds[unfiltered(q)] {
		return f
	}
	return nil
}

// unfiltered is what a query asks Consul for, whatever the gateway makes of the response.
func unfiltered(q config.Consul) config.Consul {
	q.OnlyPassing = false
	return q
}

// rebuild gives each live cluster on f its new list of endpoints.
//
// +checklocks:g.set.mu
func (g *group) rebuild(f *feed) {
	for _, c := range g.live {
		if c.feed == f {
			c.view.Store(c.build()) // +checklocksignore: one set
		}
	}
	g.sweep()
	g.noteChange()
}

// sweep retires what no live cluster names, and remembers its health for a while.
//
// +checklocks:g.set.mu
func (g *group) sweep() {
	g.sweeps++
	for _, c := range g.live {
		for _, l := range c.view.Load().listed {
			l.endpoint.swept, l.endpoint.health.swept = g.sweeps, g.sweeps // +checklocksignore: one set
		}
	}
	for key, e := range g.endpoints {
		if e.swept != g.sweeps { // +checklocksignore: one set
			delete(g.endpoints, key)
			e.retire()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.healths {
		h.setListed(h.swept == g.sweeps) // +checklocksignore: one group
	}
}

// setListed notes whether some live cluster names the endpoint.
//
// +checklocks:h.group.mu
// +checklocks:h.group.set.mu
func (h *health) setListed(listed bool) {
	switch {
	case listed == h.listed:
		return
	case listed:
		h.current = 0
		h.group.gone = without(h.group.gone, h)
	default:
		h.goneAt = h.clock.now()
		h.group.gone = append(h.group.gone, h)
	}
	h.listed = listed
}

// forget lets go of those gone for long.
//
// +checklocks:g.set.mu
func (g *group) forget(now time.Duration) {
	n := max(0, len(g.gone)-rememberMost)
	for n < len(g.gone) && now-g.gone[n].goneAt >= rememberFor { // +checklocksignore: one set
		n++
	}
	if n == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.gone[:n] {
		delete(g.healths, h.address)
		g.timed = without(g.timed, h)
	}
	g.gone = append(g.gone[:0:0], g.gone[n:]...)
}

// counts are the endpoints by state, for telemetry.
func (g *group) counts() (healthy, ejected, unhealthy int) {
	c := g.active.Load()
	for _, l := range c.view.Load().listed {
		switch {
		case l.endpoint.health.gate.Load() != gateOpen:
			ejected++
		case !l.entry.inRotation(c.cfg.Consul.OnlyPassing), l.sick:
			unhealthy++
		default:
			healthy++
		}
	}
	return healthy, ejected, unhealthy
}

// held counts the endpoints that are used for a while after the catalog lost them.
func (g *group) held() (held int) {
	for _, l := range g.active.Load().view.Load().listed {
		if l.entry != nil && l.entry.hold != notHeld {
			held++
		}
	}
	return held
}

// inPanic tells whether endpoints are used that are not healthy, because none is.
func (g *group) inPanic() bool {
	c := g.active.Load()
	v := c.view.Load()
	if c.strict || len(v.all) == 0 || g.standIn() != nil {
		return false
	}
	if v.unhealthy {
		return true
	}
	for _, m := range v.members {
		if m.health.gate.Load() != gateEjected {
			return false
		}
	}
	return true
}

// noteChange says what follows from a change of endpoints or of their health.
func (g *group) noteChange() {
	g.notePreference()
	g.notePanic()
	g.noteFailover()
}

// notePanic says once that panic mode began or ended.
func (g *group) notePanic() {
	now := g.inPanic()
	if g.panicking.Swap(now) == now {
		return
	}
	if now {
		g.log.Warn("no endpoint is healthy, all are used", "cluster", g.name)
	} else {
		g.log.Info("healthy endpoints again", "cluster", g.name)
	}
}

func without[T comparable](list []T, x T) []T {
	out := list[:0:0]
	for _, y := range list {
		if y != x {
			out = append(out, y)
		}
	}
	return out
}
