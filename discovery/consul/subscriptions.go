package consul

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

const (
	// remoteWait is how long a request blocks that another datacenter answers.
	remoteWait = 5 * time.Minute

	// These bound how many requests may be parked at an agent. It takes 200 connections from one address, which other
	// sidecars may share, and HTTP/2 puts 250 requests into one. Further watches poll, a few at a time.
	watchesHTTP1 = 64
	watchesHTTP2 = 240
	pollsAtOnce  = 4
)

// serviceWatch is one loop, from its start to its end.
type serviceWatch struct {
	service   service
	watch     *watch[[]cluster.Instance]
	instances []cluster.Instance // the last response, guarded by Catalog.mu
	leftOut   []string           // those of them without a usable default port, and why
	known     bool               // instances is one
	stop      context.CancelFunc
}

// reconcile starts the watches that are missing and stops those that no query names.
func (c *Catalog) reconcile(ctx context.Context, running *sync.WaitGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := make(map[service]struct{}, len(c.queries))
	for q := range c.queries {
		wanted[q.service()] = struct{}{}
	}
	for s, w := range c.watches {
		if _, ok := wanted[s]; !ok {
			c.drop(w)
		}
	}
	c.promote()
	places := c.places()
	for s := range wanted {
		if c.watches[s] == nil {
			c.start(ctx, s, places <= 0, running)
			places--
		}
	}
}

// drop ends a watch.
//
// +checklocks:c.mu
func (c *Catalog) drop(w *serviceWatch) {
	w.stop()
	delete(c.watches, w.service)
}

// promote ends watches that poll where there is a place for ones that block, for
// reconcile to start again. Their last result stays.
//
// +checklocks:c.mu
func (c *Catalog) promote() {
	places := c.places()
	for _, w := range c.watches {
		if w.watch.polls && places > 0 {
			c.drop(w)
			places--
		}
	}
}

// places is how many more watches may block.
//
// +checklocks:c.mu
func (c *Catalog) places() int {
	most := watchesHTTP1
	if c.consul.http2.Load() {
		most = watchesHTTP2
	}
	for _, w := range c.watches {
		if !w.watch.polls {
			most--
		}
	}
	return most
}

// start begins a watch, which blocks or polls.
//
// +checklocks:c.mu
func (c *Catalog) start(ctx context.Context, s service, polls bool, running *sync.WaitGroup) {
	w := &serviceWatch{service: s}
	w.watch = &watch[[]cluster.Instance]{
		fetch: func(ctx context.Context, q fetchOptions) (result[[]cluster.Instance], error) {
			return c.consul.health(ctx, s, q)
		},
		same:     sameInstances,
		loses:    losesInstances,
		deliver:  func(_ context.Context, r result[[]cluster.Instance]) { c.receive(w, r) },
		peers:    c.consul.monitor,
		streamed: true,
		wait:     c.consul.options.Wait,
		polls:    polls,
		limiter:  newLimiter(healthBurst, healthEvery),
		paced:    healthEvery,
		tracker:  c.consul.newTracker(s.String()),
		woken:    make(chan struct{}, 1),
	}
	if s.datacenter != "" && w.watch.wait == defaultWait {
		w.watch.wait = remoteWait
	}
	if w.watch.polls {
		w.watch.tracker.Polling()
		w.watch.fetch = c.inTurn(w.watch.fetch)
	}
	c.watches[s] = w
	ctx, w.stop = context.WithCancel(ctx)
	running.Go(func() {
		defer w.stop()
		defer c.consul.monitor.enlist(w.watch)()
		w.watch.run(ctx)
	})
}

// inTurn lets a few polls run at a time.
func (c *Catalog) inTurn(fetch fetcher[[]cluster.Instance]) fetcher[[]cluster.Instance] {
	return func(ctx context.Context, q fetchOptions) (result[[]cluster.Instance], error) {
		select {
		case c.polls <- struct{}{}:
			defer func() { <-c.polls }()
			return fetch(ctx, q)
		case <-ctx.Done():
			return result[[]cluster.Instance]{}, &fault{telemetry.DiscoveryLimit, context.Cause(ctx)}
		}
	}
}

// receive takes a response in and derives that of each query from it. A response of a
// watch that was stopped meanwhile is dropped.
func (c *Catalog) receive(w *serviceWatch, r result[[]cluster.Instance]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watches[w.service] != w {
		return
	}
	w.instances, w.leftOut, w.known = r.value, r.leftOut, true
	for q, s := range c.queries {
		if q.service() == w.service {
			c.update(q, s, r.value)
		}
	}
	c.noteLeftOut(w)
}

// noteLeftOut names the instances that are of no use to one of the queries, each once.
//
// +checklocks:c.mu
func (c *Catalog) noteLeftOut(w *serviceWatch) {
	if !w.known {
		return
	}
	var all []string
	for q, s := range c.queries {
		switch {
		case q.service() != w.service:
		case q.Port == "":
			all = append(all, w.leftOut...)
		default:
			all = append(all, s.leftOut...)
		}
	}
	slices.Sort(all)
	w.watch.tracker.LeftOut(slices.Compact(all))
}

// update notes the endpoints of q, if they are news.
//
// +checklocks:c.mu
func (c *Catalog) update(q Query, s *subscription, instances []cluster.Instance) {
	var next Endpoints
	next, s.leftOut = endpointsOf(q, instances)
	if s.known && !s.recheck && s.endpoints.Absence == next.Absence &&
		sameInstances(s.endpoints.Instances, next.Instances) {
		return
	}
	s.recheck = false
	if !s.known {
		s.known = true
		close(s.answered)
	}
	s.endpoints, s.fresh = next, true
	discovery.Signal(c.changed)
}
