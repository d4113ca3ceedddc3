package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Set is every live endpoint of the process. One goroutine prepares, retires and
// delivers; Run is a second one; everything else is safe from any.
type Set struct {
	clock *clock
	reg   *telemetry.Registry
	log   hclog.Logger

	mu sync.Mutex // also guards what in the groups says so; never held on the way of a request
	// +checklocks:mu
	groups map[string]*group
	// +checklocks:mu
	feeds map[config.Consul]map[*feed]struct{} // of all groups, by unfiltered query
	// +checklocks:mu
	here Location
	// +checklocks:mu
	reaped time.Duration
	// +checklocks:mu
	doubts []config.Consul // queries of holds that are over: to be passed to recheck
	// +checklocks:mu
	awaited map[*Cluster]*awaited // those with requests that wait for the first endpoints

	recheck func(config.Consul) // nil = a hold ends without

	checks sync.WaitGroup // the goroutines of active checks
}

// Options of a Set.
type Options struct {
	Registry *telemetry.Registry // nil = measured, but nowhere to be seen
	Logger   hclog.Logger        // nil = silent

	// Recheck is called when the time of a hold is over. The endpoints stay in use until the catalog has been queried
	// once more, and SetEndpoints was called with what it said. It is repeated every 5 s, must not block, and comes
	// from the goroutine of Run. nil = the hold ends by itself.
	Recheck func(config.Consul)
}

// NewSet makes an empty set.
func NewSet(o Options) *Set {
	if o.Registry == nil {
		o.Registry = telemetry.NewRegistry()
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	s := &Set{
		clock: newClock(), reg: o.Registry, log: o.Logger, groups: map[string]*group{}, recheck: o.Recheck,
		awaited: map[*Cluster]*awaited{}, feeds: map[config.Consul]map[*feed]struct{}{},
	}
	s.reg.SetEndpoints(s.measured)
	return s
}

// measured calls f with what is measured of each endpoint.
func (s *Set) measured(f func(*telemetry.Endpoint)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		for _, h := range g.healths { // +checklocksignore: one set
			f(h.measured)
		}
	}
}

// Prepare builds a revision's cluster on the endpoints that are there already.
// Nothing that serves notices before the cluster is used. What it adopts from
// the catalog is what was last delivered to a cluster of the same name and the
// same query to Consul. Otherwise it begins with its static endpoints alone. A
// prepared cluster is either kept or dropped by the next Retire. Nobody changes cfg any more: the cluster has it.
func (s *Set) Prepare(cfg *config.Cluster) (*Cluster, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.groups[cfg.Name]
	if g == nil {
		g = newGroup(cfg.Name, s, s.reg.Cluster(cfg.Name))
		s.groups[cfg.Name] = g
	}
	return g.prepare(cfg), nil // +checklocksignore: one set
}

// prepare builds a revision's cluster.
//
// +checklocks:g.set.mu
func (g *group) prepare(cfg *config.Cluster) *Cluster {
	c := &Cluster{
		cfg:     cfg,
		group:   g,
		feed:    g.feed(cfg.Consul),
		way:     unique.Make(way{protocol: cfg.Protocol, tls: cfg.TLS, proxyProtocol: cfg.ProxyProtocol}),
		outlier: newOutlier(cfg.PassiveHealth, len(cfg.Failover) > 0 || cfg.Backed),
		strict:  cfg.Panic == config.PanicNever,
		maxReqs: limit(cfg.Limits.MaxRequests),
	}
	c.view.Store(c.build()) // +checklocksignore: one set
	g.join(c)
	g.sweep()
	return c
}

// check refuses what would not work; the document's own validation says it better.
func check(cfg *config.Cluster) error {
	if cfg.Balance != "" && !slices.Contains(config.Balances, cfg.Balance) {
		return fmt.Errorf("cluster %q: balance: not known (%q)", cfg.Name, cfg.Balance)
	}
	for _, e := range cfg.Endpoints {
		if e.Weight < 0 || e.Weight > maxWeight {
			return fmt.Errorf("cluster %q: endpoint %s: weight: not 0 to %d (%d)", cfg.Name, e.Address, maxWeight,
				e.Weight)
		}
	}
	return nil
}

const maxWeight = 65535

// Retire says which clusters are in service from now on: after a revision was
// stored, its own; after one failed, those that still serve. Endpoints that none
// of them names lose their idle connections at once and the leased ones when
// they are put back. A cluster that is not kept still serves picks, of
// requests that began before, but gets no changes any more.
func (s *Set) Retire(keep []*Cluster) {
	kept := make(map[*Cluster]bool, len(keep))
	for _, c := range keep {
		kept[c] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, g := range s.groups {
		g.retire(kept) // +checklocksignore: one set
		full := len(s.groups) > len(keep)+rememberMost
		if g.forgotten() || full && !g.inService() { // +checklocksignore: one set
			delete(s.groups, name)
		}
	}
	s.wakeAwaiting(nil)
}

// retire drops the clusters that are not kept.
//
// +checklocks:g.set.mu
func (g *group) retire(kept map[*Cluster]bool) {
	var live []*Cluster
	for _, c := range g.live {
		if kept[c] {
			live = append(live, c)
		} else {
			c.endCheck() // +checklocksignore: one set
		}
	}
	g.live = live
	g.forgetChecks()
	if n := len(live); n > 0 {
		g.enter(live[n-1])
	}
	g.dropFeeds()
	g.sweep()
	if len(live) == 0 {
		g.tele.SetEndpoints(nil)
		g.tele.SetPanic(nil)
		g.tele.SetFailover(nil)
		g.tele.SetNear(nil)
		g.tele.SetHeld(nil)
	}
}

// inService tells whether a revision that is not retired names the cluster.
//
// +checklocks:g.set.mu
func (g *group) inService() bool { return len(g.live) > 0 }

// enter puts c's rules into force for what the revisions share.
//
// +checklocks:g.set.mu
func (g *group) enter(c *Cluster) {
	g.active.Store(c)
	c.feed.enter() // +checklocksignore: one set
	for _, e := range g.endpoints {
		closeAll(e.idle.configure(c.cfg.Keepalive.MaxIdle, c.cfg.Keepalive.IdleTimeout))
	}
	g.tele.SetFailover(nil)
	if len(c.StandIns()) > 0 {
		g.tele.SetFailover(g.failsOver)
	}
	g.tele.SetNear(nil)
	if c.cfg.Consul.Prefer != "" {
		g.tele.SetNear(g.nearShare)
	}
	g.noteChange()
}

// dropFeeds forgets what the catalog said to queries that no cluster has any more.
//
// +checklocks:g.set.mu
func (g *group) dropFeeds() {
	for q, f := range g.feeds {
		if !slices.ContainsFunc(g.live, func(c *Cluster) bool { return c.feed == f }) {
			delete(g.feeds, q)
			g.set.dropFeed(f) // +checklocksignore: one set
		}
	}
}

// addFeed adds a feed to those of all groups.
//
// +checklocks:s.mu
func (s *Set) addFeed(f *feed) {
	q := unfiltered(f.query)
	if s.feeds[q] == nil {
		s.feeds[q] = map[*feed]struct{}{}
	}
	s.feeds[q][f] = struct{}{}
}

// dropFeed takes a feed out of those of all groups.
//
// +checklocks:s.mu
func (s *Set) dropFeed(f *feed) {
	q := unfiltered(f.query)
	if delete(s.feeds[q], f); len(s.feeds[q]) == 0 {
		delete(s.feeds, q)
	}
}

// period of Run: the grain of the coarse clock, of slow starts and holds.
const period = 100 * time.Millisecond

// reapEvery is how often idle connections are checked.
const reapEvery = time.Second

// Run keeps time until ctx ends. The caller owns its goroutine, and closes what
// is left by Retire(nil). It waits for the active checks, which end with their
// own context or with that Retire.
func (s *Set) Run(ctx context.Context) {
	defer s.checks.Wait()
	netio.Every(ctx, period, nil, func() int {
		s.Tick()
		return 1 // there is always something to do
	})
}

// Tick does all that is due: ejections and holds end, slow starts go on, idle
// connections that are old or dead are closed.
func (s *Set) Tick() {
	for _, query := range s.tick() {
		s.recheck(query)
	}
}

// tick does what is due, and tells which queries are to be checked.
func (s *Set) tick() (doubts []config.Consul) {
	now := s.clock.tick()
	s.mu.Lock()
	defer s.mu.Unlock()
	reap := now-s.reaped >= reapEvery
	if reap {
		s.reaped = now
	}
	for name, g := range s.groups {
		g.tick(now, reap)          // +checklocksignore: one set
		if reap && g.forgotten() { // +checklocksignore: one set
			delete(s.groups, name)
		}
	}
	doubts, s.doubts = s.doubts, nil
	return doubts
}

// tick does what is due for one group; with reap also what is done seldom.
//
// +checklocks:g.set.mu
func (g *group) tick(now time.Duration, reap bool) {
	timed := g.advance(now)
	for _, c := range g.live { // each feed is some cluster's
		if f := c.feed; f != nil && f.expire(now) { // +checklocksignore: one set
			g.rebuild(f)
		}
	}
	if reap {
		g.forget(now)
		for _, e := range g.endpoints {
			closeAll(e.idle.reap())
		}
	}
	// What happens to an endpoint is noted when it does. By time alone, an endpoint may return, and a cluster that
	// stands in may lose its own.
	if len(g.live) > 0 && (timed || reap || len(g.active.Load().StandIns()) > 0) {
		g.noteChange()
	}
}
