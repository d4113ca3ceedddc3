package cluster

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"
)

// A cluster whose endpoints the catalog has not told yet is not empty: its requests wait for the first response. What
// is here is only used after a Pick that found no endpoint.

// ErrUnknown is that the catalog has not said in time which endpoints there are (flag UH).
var ErrUnknown = errors.New("no endpoints received yet")

// awaited is a cluster with requests that wait for the first response of the catalog.
type awaited struct {
	come     chan struct{} // closed when there may be endpoints, or can be none any more
	clusters []*Cluster    // of which the catalog has said nothing: the cluster itself, and those that stand in for it
	requests int
}

// Await is for when Pick found no endpoint. It waits until the catalog says for the first time which endpoints the
// cluster has, or one of those that stand in for it. Then Pick again, and Await again if it finds none. known tells
// that there is nothing to wait for any more, nor was when Await was called. While it waits, for at most within, it
// calls poll, whose error ends the wait and is returned. Other errors: [ErrUnknown] when the time is over,
// [ErrOverflow] when too many wait, ctx's own when that ended.
func (c *Cluster) Await(ctx context.Context, within time.Duration, poll func() error) (known bool, err error) {
	w, err := c.await()
	if w == nil {
		return err == nil, err
	}
	defer c.leave(w)
	if err = wait(ctx, w.come, within, poll); errors.Is(err, errLate) {
		err = ErrUnknown
	}
	return false, err
}

// maxAwaiting is how many requests wait for the first endpoints: as many as could connect to them, or wait for that.
func (c *Cluster) maxAwaiting() int {
	l := &c.cfg.Limits
	if l.MaxConnections <= 0 {
		return math.MaxInt
	}
	return l.MaxConnections + l.MaxPending
}

// await counts a request among those that wait; nil: there is nothing to wait for, or, with ErrOverflow, no room.
func (c *Cluster) await() (*awaited, error) {
	s := c.group.set
	s.mu.Lock()
	defer s.mu.Unlock()
	unknown := c.unknown() // +checklocksignore: one set
	if len(unknown) == 0 {
		return nil, nil
	}
	w := s.awaited[c]
	if w == nil {
		w = &awaited{come: make(chan struct{})}
		s.awaited[c] = w
	}
	if w.requests >= c.maxAwaiting() {
		c.group.tele.Overflow.Inc()
		return nil, ErrOverflow
	}
	w.clusters = unknown
	w.requests++
	return w, nil
}

// leave takes a request out of those that wait.
func (c *Cluster) leave(w *awaited) {
	s := c.group.set
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.requests--; w.requests == 0 && s.awaited[c] == w {
		delete(s.awaited, c)
	}
}

// unknown are those of c and the clusters that stand in for it of which the catalog has said nothing yet, and may.
//
// +checklocks:c.group.set.mu
func (c *Cluster) unknown() (all []*Cluster) {
	for _, one := range append([]*Cluster{c}, c.StandIns()...) {
		if one.lacksResponse() { // +checklocksignore: one set
			all = append(all, one)
		}
	}
	return all
}

// lacksResponse tells whether the catalog has not said yet which endpoints c has, but may. A cluster of a revision that
// is retired gets no changes any more. It takes here what the catalog has said meanwhile, be it to another cluster.
//
// +checklocks:c.group.set.mu
func (c *Cluster) lacksResponse() bool {
	f, g := c.feed, c.group
	if f == nil {
		return false
	}
	if slices.Contains(g.live, c) {
		return !f.answered // +checklocksignore: one set
	}
	now := g.set.feedOf(f.query)
	switch {
	case now == nil:
		return false // nobody follows the query any more
	case !now.answered: // +checklocksignore: one set
		return true
	case now != f:
		f.entries, f.answered = maps.Clone(now.entries), true // +checklocksignore: one set
	}
	c.view.Store(c.build()) // +checklocksignore: one set
	g.visit(c)
	return false
}

// visit retires the endpoints of a cluster that is in service no more, unless another one has them too. They still
// serve picks, and what is remembered of them is forgotten in time.
//
// +checklocks:g.set.mu
func (g *group) visit(c *Cluster) {
	g.mu.Lock()
	for _, l := range c.view.Load().listed {
		l.endpoint.health.setListed(true) // +checklocksignore: one group
	}
	g.mu.Unlock()
	g.sweep()
}

// wakeAwaiting has the requests pick once more that wait for what f was told, or that wait for nothing any more.
//
// +checklocks:s.mu
func (s *Set) wakeAwaiting(f *feed) {
	for c, w := range s.awaited {
		for _, one := range w.clusters {
			if one.feed == f || one.feed.dropped() { // +checklocksignore: one set
				close(w.come)
				delete(s.awaited, c)
				break
			}
		}
	}
}

// dropped tells whether no cluster in service has the feed any more, so that it is told nothing.
//
// +checklocks:f.group.set.mu
func (f *feed) dropped() bool { return f.group.feeds[f.query] != f }

// awaiting counts the requests that wait for the first endpoints of the group's clusters.
//
// +checklocks:g.set.mu
func (g *group) awaiting() (n int) {
	for c, w := range g.set.awaited { // +checklocksignore: one set
		if c.group == g {
			n += w.requests
		}
	}
	return n
}
