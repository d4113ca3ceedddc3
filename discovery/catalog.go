package discovery

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// A health watch asks again at once after the first change, then once a second:
	// a service that flaps must not make us fetch all of it without pause.
	healthBurst = 2
	healthEvery = time.Second

	// remoteWait is how long a request blocks that another datacenter answers.
	remoteWait = 5 * time.Minute

	// How many requests may be parked at an agent: it takes 200 connections from
	// one address, which other sidecars may share, and HTTP/2 puts 250 requests
	// into one. Further watches poll, a few at a time.
	watchesHTTP1 = 64
	watchesHTTP2 = 240
	pollsAtOnce  = 4
)

// Catalog follows the instances of just those services that somebody asked for.
// Its methods may be called from any goroutine.
type Catalog struct {
	consul  *Consul
	polls   chan struct{} // a place for each poll that may run
	wanted  chan struct{} // one token: Watch was called
	changed chan struct{} // one token: Take has something

	mu      sync.Mutex // guards queries and watches
	queries map[Query]*subscription
	watches map[service]*serviceWatch
}

// subscription is what is known for one query.
type subscription struct {
	endpoints Endpoints
	known     bool          // endpoints is an answer
	answered  chan struct{} // closed when it is
	fresh     bool          // not taken yet
}

// serviceWatch is one loop, from when it is asked for to when it has ended.
type serviceWatch struct {
	service service
	watch   *watch[[]record]
	records []record // the last answer, guarded by Catalog.mu
	known   bool     // records is one
	stop    context.CancelFunc
}

// Catalog makes the process's one follower of services.
func (c *Consul) Catalog() *Catalog {
	return &Catalog{
		consul:  c,
		polls:   make(chan struct{}, pollsAtOnce),
		wanted:  make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
		queries: map[Query]*subscription{},
		watches: map[service]*serviceWatch{},
	}
}

// Run keeps the watches that the last call of Watch asked for until ctx ends, and
// returns when all of them have ended. It is called once.
func (c *Catalog) Run(ctx context.Context) {
	defer c.consul.rest()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		c.reconcile(ctx, &running)
		select {
		case <-c.wanted:
		case <-ctx.Done():
			return
		}
	}
}

// Watch makes queries the ones that are followed: those that are new are begun,
// those no longer named are dropped with what is known for them. While a revision
// is being prepared, name what is active too. It does not wait.
func (c *Catalog) Watch(queries []Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.queries
	c.queries = make(map[Query]*subscription, len(queries))
	for _, q := range queries {
		s, ok := was[q]
		if !ok {
			s = &subscription{answered: make(chan struct{})}
		}
		c.queries[q] = s
		if w := c.watches[q.service()]; !ok && w != nil && w.known {
			c.answer(q, s, w.records)
		}
	}
	nudge(c.wanted)
}

// Wait returns when each query that is followed has had an answer (none may be
// that there is nothing), or when ctx ends: then it names those without one.
func (c *Catalog) Wait(ctx context.Context) []Query {
	c.mu.Lock()
	waiting := make(map[Query]*subscription, len(c.queries))
	for q, s := range c.queries {
		waiting[q] = s
	}
	c.mu.Unlock()
	var missing []Query
	for q, s := range waiting {
		select {
		case <-s.answered:
			continue
		default:
		}
		select {
		case <-s.answered:
		case <-ctx.Done():
			missing = append(missing, q)
		}
	}
	slices.SortFunc(missing, compareQueries)
	return missing
}

// Endpoints is what is known for a query; ok is false as long as nothing is.
func (c *Catalog) Endpoints(q Query) (e Endpoints, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.queries[q]
	if !ok || !s.known {
		return Endpoints{}, false
	}
	return s.endpoints, true
}

// Changed has a token when Take has something to give. It is for one receiver.
func (c *Catalog) Changed() <-chan struct{} { return c.changed }

// Take returns the queries whose answer changed since the last Take, with the
// latest answer of each: what came in between is skipped.
func (c *Catalog) Take() []Endpoints {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changed []Endpoints
	for _, s := range c.queries {
		if s.fresh {
			s.fresh = false
			changed = append(changed, s.endpoints)
		}
	}
	slices.SortFunc(changed, func(a, b Endpoints) int { return compareQueries(a.Query, b.Query) })
	return changed
}

// Reload asks for everything anew, and delivers also what has not changed.
func (c *Catalog) Reload() {
	c.consul.Reload()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watches {
		w.watch.look(true)
	}
	for _, s := range c.queries {
		if s.known {
			s.fresh = true
			nudge(c.changed)
		}
	}
}

// Status is that of each watch, by service.
func (c *Catalog) Status() []Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]Status, 0, len(c.watches))
	for _, w := range c.watches {
		all = append(all, w.watch.state.status())
	}
	slices.SortFunc(all, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// reconcile starts the watches that are missing and stops those that nobody wants.
func (c *Catalog) reconcile(ctx context.Context, running *sync.WaitGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := make(map[service]struct{}, len(c.queries))
	for q := range c.queries {
		wanted[q.service()] = struct{}{}
	}
	for s, w := range c.watches {
		if _, ok := wanted[s]; !ok {
			w.stop()
			delete(c.watches, s)
		}
	}
	for s := range wanted {
		if c.watches[s] == nil {
			c.start(ctx, s, running)
		}
	}
}

// start begins a watch: one that blocks while there is a place for it, else one
// that polls. Callers hold mu.
func (c *Catalog) start(ctx context.Context, s service, running *sync.WaitGroup) {
	blocking := 0
	for _, other := range c.watches {
		if !other.watch.polls {
			blocking++
		}
	}
	w := &serviceWatch{service: s}
	w.watch = &watch[[]record]{
		fetch:   func(ctx context.Context, q read) (answer[[]record], error) { return c.consul.health(ctx, s, q) },
		same:    sameRecords,
		shrinks: func(from, to []record) bool { return c.shrinks(s, from, to) },
		deliver: func(_ context.Context, a answer[[]record]) { c.learn(w, a.value) },
		wait:    c.consul.options.Wait,
		polls:   blocking >= c.maxWatches(),
		bucket:  bucket{burst: healthBurst, every: healthEvery},
		usual:   healthEvery,
		state:   c.consul.newState(s.String()),
	}
	if s.datacenter != "" && w.watch.wait == defaultWait {
		w.watch.wait = remoteWait
	}
	if w.watch.polls {
		w.watch.state.polling()
		w.watch.fetch = c.inTurn(w.watch.fetch)
	}
	c.watches[s] = w
	ctx, w.stop = context.WithCancel(ctx)
	running.Go(func() {
		defer w.stop()
		defer c.consul.enlist(w.watch)()
		w.watch.run(ctx)
	})
}

func (c *Catalog) maxWatches() int {
	if c.consul.http2.Load() {
		return watchesHTTP2
	}
	return watchesHTTP1
}

// inTurn lets a few polls run at a time.
func (c *Catalog) inTurn(fetch func(context.Context, read) (answer[[]record], error)) func(context.Context, read) (answer[[]record], error) {
	return func(ctx context.Context, q read) (answer[[]record], error) {
		select {
		case c.polls <- struct{}{}:
			defer func() { <-c.polls }()
			return fetch(ctx, q)
		case <-ctx.Done():
			return answer[[]record]{}, &fault{telemetry.DiscoveryLimit, context.Cause(ctx)}
		}
	}
}

// learn takes an answer in and derives that of each query from it. An answer of a
// watch that was stopped meanwhile is nobody's.
func (c *Catalog) learn(w *serviceWatch, records []record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches[w.service] != w {
		return
	}
	w.records, w.known = records, true
	for q, s := range c.queries {
		if q.service() == w.service {
			c.answer(q, s, records)
		}
	}
}

// answer notes what records say to q, if it is news. Callers hold mu.
func (c *Catalog) answer(q Query, s *subscription, records []record) {
	next := endpointsOf(q, records)
	if s.known && sameEndpoints(s.endpoints, next) {
		return
	}
	if !s.known {
		s.known = true
		close(s.answered)
	}
	s.endpoints, s.fresh = next, true
	nudge(c.changed)
}

// shrinks reports whether an answer takes so much from a query that it is asked
// for once more: all it had, or more than half of at least four.
func (c *Catalog) shrinks(s service, from, to []record) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for q := range c.queries {
		if q.service() != s {
			continue
		}
		before, after := endpointsOf(q, from), endpointsOf(q, to)
		if after.Negative && !before.Negative {
			return true
		}
		if n := before.usable(); n >= 4 && after.usable()*2 < n {
			return true
		}
	}
	return false
}

func (q Query) service() service { return service{q.Service, q.Datacenter} }

func compareQueries(a, b Query) int {
	return cmp.Or(
		strings.Compare(a.Service, b.Service),
		strings.Compare(a.Datacenter, b.Datacenter),
		strings.Compare(a.Tag, b.Tag),
		strings.Compare(a.String(), b.String()),
	)
}
