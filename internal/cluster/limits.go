package cluster

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// Slot is the right to one connection of a cluster. Release it when the
// connection is closed: a pooled Conn does so in its Close.
type Slot struct {
	group    *group
	released atomic.Bool
}

// Release gives the slot back; calls after the first do nothing.
func (s *Slot) Release() {
	if s.released.Swap(true) {
		return
	}
	s.group.conns.Add(-1)
	if s.group.waiting.Load() > 0 {
		s.group.serve()
	}
}

// waiter is a request that waits for a connection to its endpoint.
type waiter struct {
	endpoint *Endpoint
	max      int64
	got      chan grant // holds one
}

// grant is either an idle connection or a slot.
type grant struct {
	idle pooled
	slot *Slot
}

// tryReserve gives a slot for a new connection to e, or ErrOverflow. At the limit
// it first closes an idle connection to another endpoint. It never blocks.
func (c *Cluster) tryReserve(e *Endpoint) (*Slot, error) {
	if s := c.reserve(e); s != nil {
		return s, nil
	}
	c.group.tele.Overflow.Inc()
	return nil, ErrOverflow
}

// reserveWaiting is for when Take had nothing. It gives a slot for a new connection to e or, at the limit, waits. It
// waits for one, or for a connection to e that is put back, whichever comes first. At most limits.max_pending wait,
// until ctx ends. The error is ErrOverflow, also when ctx's deadline passed, or ctx's other errors.
func (c *Cluster) reserveWaiting(ctx context.Context, e *Endpoint) (Conn, *Slot, error) {
	for {
		if s := c.reserve(e); s != nil {
			return nil, s, nil
		}
		w := &waiter{endpoint: e, max: limit(c.cfg.Limits.MaxConnections), got: make(chan grant, 1)}
		got, err := c.group.wait(ctx, w, c.cfg.Limits.MaxPending)
		if err != nil {
			return nil, nil, err
		}
		if got.slot != nil {
			return nil, got.slot, nil
		}
		if got.idle.fit(c.group.clock.coarse()) {
			return got.idle.conn, nil, nil
		}
		_ = got.idle.conn.Close()
	}
}

// ReserveWithin is for when Take had nothing: it is reserveWaiting for at most wait. The context
// with that deadline is made only when there is something to wait for. With wait 0 it is
// tryReserve.
func (c *Cluster) ReserveWithin(ctx context.Context, e *Endpoint, wait time.Duration) (Conn, *Slot, error) {
	if wait <= 0 || c.cfg.Limits.MaxPending == 0 {
		s, err := c.tryReserve(e)
		return nil, s, err
	}
	if s := c.reserve(e); s != nil {
		return nil, s, nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return c.reserveWaiting(ctx, e)
}

// reserve takes a slot, if need be from an idle connection to another endpoint.
func (c *Cluster) reserve(e *Endpoint) *Slot {
	most := limit(c.cfg.Limits.MaxConnections)
	for {
		if s := c.group.slot(most); s != nil {
			return s
		}
		if !c.evict(e) {
			return nil
		}
	}
}

// evict closes the oldest idle connection of some endpoint other than e.
func (c *Cluster) evict(e *Endpoint) bool {
	for _, l := range c.view.Load().listed {
		if l.endpoint == e || l.endpoint.idle.count.Load() == 0 {
			continue
		}
		if conn := l.endpoint.idle.popOldest(); conn != nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

// slot takes a slot if fewer than most are taken.
func (g *group) slot(most int64) *Slot {
	for {
		n := g.conns.Load()
		if n >= most {
			return nil
		}
		if g.conns.CompareAndSwap(n, n+1) {
			return &Slot{group: g}
		}
	}
}

// wait queues w and returns what it was granted.
func (g *group) wait(ctx context.Context, w *waiter, most int) (grant, error) {
	if !g.queue(w, most) {
		g.tele.Overflow.Inc()
		return grant{}, ErrOverflow
	}
	g.serve() // something may have been released just before w was in the queue
	select {
	case got := <-w.got:
		return got, nil
	case <-ctx.Done():
	}
	if !g.unqueue(w) {
		g.refuse(w, <-w.got) // granted in the same moment
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		g.tele.Overflow.Inc()
		return grant{}, ErrOverflow
	}
	return grant{}, ctx.Err()
}

// serve grants what there is to those who wait, first come first served.
func (g *group) serve() {
	g.waitMu.Lock()
	defer g.waitMu.Unlock()
	g.waiters = slices.DeleteFunc(g.waiters, func(w *waiter) bool {
		if p, ok := w.endpoint.idle.pop(); ok {
			w.got <- grant{idle: p}
			return true
		}
		if s := g.slot(w.max); s != nil {
			w.got <- grant{slot: s}
			return true
		}
		return false
	})
	g.waiting.Store(int32(len(g.waiters)))
}

// putWhileWaiting gives a connection that was put back to e to one who waits. It gives it as it is. If all wait for
// other endpoints, it closes it for its slot.
func (g *group) putWhileWaiting(e *Endpoint) {
	g.serve()
	if g.waiting.Load() == 0 {
		return
	}
	if c := e.idle.popOldest(); c != nil {
		_ = c.Close()
	}
}

func (g *group) queue(w *waiter, most int) bool {
	g.waitMu.Lock()
	defer g.waitMu.Unlock()
	if len(g.waiters) >= most {
		return false
	}
	g.waiters = append(g.waiters, w)
	g.waiting.Store(int32(len(g.waiters)))
	return true
}

// unqueue tells whether w was still waiting.
func (g *group) unqueue(w *waiter) bool {
	g.waitMu.Lock()
	defer g.waitMu.Unlock()
	i := slices.Index(g.waiters, w)
	if i < 0 {
		return false
	}
	g.waiters = slices.Delete(g.waiters, i, i+1)
	g.waiting.Store(int32(len(g.waiters)))
	return true
}

// refuse gives back what w has no more use for.
func (g *group) refuse(w *waiter, got grant) {
	if got.slot != nil {
		got.slot.Release()
		return
	}
	w.endpoint.Put(got.idle.conn, got.idle.until-got.idle.since)
}
