package consul

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

// Catalog follows the instances of just those services that Watch was told of.
// Its methods may be called from any goroutine.
type Catalog struct {
	consul  *Client
	polls   chan struct{} // a place for each poll that may run
	wanted  chan struct{} // one token: Watch was called
	changed chan struct{} // one token: Take has something

	mu sync.Mutex // also guards what the two maps point to, but for watch and answered
	// +checklocks:mu
	queries map[Query]*subscription
	// +checklocks:mu
	watches map[service]*serviceWatch
}

// subscription is what is known for one query.
type subscription struct {
	endpoints Endpoints
	known     bool          // endpoints holds a result
	answered  chan struct{} // closed when it is
	leftOut   []string      // instances without a usable port of the query's name, and why
	fresh     bool          // not taken yet
	recheck   bool          // the next result is delivered whether it is news or not
}

// Catalog makes the process's one follower of services.
func (c *Client) Catalog() *Catalog {
	return &Catalog{
		consul:  c,
		polls:   make(chan struct{}, pollsAtOnce),
		wanted:  make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
		queries: map[Query]*subscription{},
		watches: map[service]*serviceWatch{},
	}
}

// Run keeps the watches that the last call of Watch named until ctx ends, and
// returns when all of them have ended. It is called once.
func (c *Catalog) Run(ctx context.Context) {
	defer c.consul.closeIdle()
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

// Watch makes queries the ones that are followed. Those that are new are begun. Those no longer named are dropped with
// what is known for them. While a revision is being prepared, name what is active too. It does not wait.
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
			c.update(q, s, w.instances)
		}
	}
	for _, w := range c.watches {
		c.noteLeftOut(w)
	}
	discovery.Signal(c.wanted)
}

// Wait returns when each query that is followed has had a response (none may be that there is nothing), or when ctx
// ends. In the second case it names those without one.
func (c *Catalog) Wait(ctx context.Context) []Query {
	c.mu.Lock()
	waiting := maps.Clone(c.queries)
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

// Take returns the queries whose response changed since the last Take, with the
// latest response of each: what came in between is skipped.
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

// Reload fetches everything anew, and delivers also what has not changed.
func (c *Catalog) Reload() {
	c.consul.Reload()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.watches {
		w.watch.restart(true, false)
	}
	for _, s := range c.queries {
		if s.known {
			s.fresh = true
			discovery.Signal(c.changed)
		}
	}
}

// Failure is why there is no result for q: the class and the text of the last error, empty for none.
func (c *Catalog) Failure(q Query) (class, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.watches[q.service()]
	if w == nil {
		return "", ""
	}
	st := w.watch.tracker.Status()
	return st.Class, st.Error
}

// Recheck queries the leader for q, and delivers what it says also if that is not news. While it does not respond
// nothing is delivered. A query that is already being made for that is not begun anew, or a slow leader would never be
// heard. After an error it is made at once.
func (c *Catalog) Recheck(q Query) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, w := c.queries[q], c.watches[q.service()]
	if s == nil || w == nil {
		return
	}
	if s.recheck {
		w.watch.wake()
		return
	}
	s.recheck = true
	w.watch.restart(true, false)
}

// Status is that of each watch, by service.
func (c *Catalog) Status() []discovery.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]discovery.Status, 0, len(c.watches))
	for _, w := range c.watches {
		all = append(all, w.watch.tracker.Status())
	}
	slices.SortFunc(all, func(a, b discovery.Status) int { return strings.Compare(a.Name, b.Name) })
	return all
}
