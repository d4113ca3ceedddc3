package cluster

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func limited(t *testing.T, endpoints string, connections, pending int) *Cluster {
	cl := cfg(endpoints)
	cl.Limits.MaxConnections, cl.Limits.MaxPending = connections, pending
	_, c := newCluster(t, cl)
	return c
}

func dial(t *testing.T, c *Cluster, e *Endpoint) *conn {
	t.Helper()
	s, err := c.tryReserve(e)
	if err != nil {
		t.Fatal(err)
	}
	return &conn{slot: s}
}

func TestMaxRequests(t *testing.T) {
	cl := cfg("a b")
	cl.Limits.MaxRequests = 2
	_, c := newCluster(t, cl)
	one, _ := c.Pick(nil)
	two, _ := c.Pick(nil)
	if _, err := c.Pick(nil); !errors.Is(err, ErrOverflow) {
		t.Errorf("third of two: %v, want overflow", err)
	}
	one.Done(Success)
	three, err := c.Pick(nil)
	if err != nil {
		t.Errorf("after one ended: %v", err)
	}
	two.Done(Reset)
	three.Done(Success)
	if n, o := c.InFlight(), c.Telemetry().Overflow.Load(); n != 0 || o != 1 {
		t.Errorf("in flight %d, overflows %d, want 0 and 1", n, o)
	}
}

func TestMaxConnections(t *testing.T) {
	c := limited(t, "a b", 2, 0)
	a, b := c.view.Load().listed[0].endpoint, c.view.Load().listed[1].endpoint
	k1, k2 := dial(t, c, a), dial(t, c, a)
	if _, err := c.tryReserve(b); !errors.Is(err, ErrOverflow) {
		t.Errorf("third of two: %v, want overflow", err)
	}
	if _, _, err := c.reserveWaiting(t.Context(), b); !errors.Is(err, ErrOverflow) {
		t.Errorf("third of two, none may wait: %v, want overflow", err)
	}
	a.Put(k1, 0)
	k3 := dial(t, c, b) // at the price of a's idle connection
	if k1.closed != 1 {
		t.Error("the idle connection to the other endpoint was not given up")
	}
	k1.slot.Release() // Close has: nothing
	if n := c.group.conns.Load(); n != 2 {
		t.Errorf("%d slots taken, want 2", n)
	}
	_, _ = k2.Close(), k3.Close()
	if n := c.group.conns.Load(); n != 0 {
		t.Errorf("%d slots taken, want none", n)
	}
}

// TestPending: who waits gets a slot or a connection, in order, or gives up.
func TestPending(t *testing.T) {
	type result struct {
		conn Conn
		slot *Slot
		err  error
	}
	for _, row := range []struct {
		name  string
		event func(c *Cluster, a, b *Endpoint, ka, kb *conn, cancel func())
		want  func(r result, ka, kb *conn) bool
	}{
		{"a connection to it is put back",
			func(_ *Cluster, a, _ *Endpoint, ka, _ *conn, _ func()) { a.Put(ka, 0) },
			func(r result, ka, _ *conn) bool { return r.conn == ka && r.slot == nil && ka.closed == 0 }},
		{"a connection to another is put back",
			func(_ *Cluster, _, b *Endpoint, _, kb *conn, _ func()) { b.Put(kb, 0) },
			func(r result, _, kb *conn) bool { return r.slot != nil && kb.closed == 1 }},
		{"a connection is closed",
			func(_ *Cluster, _, _ *Endpoint, _, kb *conn, _ func()) { _ = kb.Close() },
			func(r result, _, _ *conn) bool { return r.slot != nil }},
		{"the deadline passes",
			func(*Cluster, *Endpoint, *Endpoint, *conn, *conn, func()) { <-time.After(2 * time.Second) },
			func(r result, _, _ *conn) bool { return errors.Is(r.err, ErrOverflow) }},
		{"the client goes away",
			func(_ *Cluster, _, _ *Endpoint, _, _ *conn, cancel func()) { cancel() },
			func(r result, _, _ *conn) bool { return errors.Is(r.err, context.Canceled) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := limited(t, "a b", 2, 1)
				a, b := c.view.Load().listed[0].endpoint, c.view.Load().listed[1].endpoint
				ka, kb := dial(t, c, a), dial(t, c, b)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				got := make(chan result, 1)
				go func() {
					k, s, err := c.reserveWaiting(ctx, a)
					got <- result{k, s, err}
				}()
				synctest.Wait()
				if _, _, err := c.reserveWaiting(ctx, a); !errors.Is(err, ErrOverflow) {
					t.Errorf("second of one that may wait: %v, want overflow", err)
				}
				row.event(c, a, b, ka, kb, cancel)
				if r := <-got; !row.want(r, ka, kb) {
					t.Errorf("got %+v; closed %d and %d", r, ka.closed, kb.closed)
				}
				if n := c.group.waiting.Load(); n != 0 {
					t.Errorf("%d still wait", n)
				}
			})
		})
	}
}

// TestReserveWithin: an overflow is counted once, and not for one who was served in the end.
func TestReserveWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := limited(t, "a", 1, 1)
		a := only(c)
		_, slot, err := c.ReserveWithin(t.Context(), a, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.ReserveWithin(t.Context(), a, 0); !errors.Is(err, ErrOverflow) {
			t.Errorf("second of one, no wait: %v, want overflow", err)
		}
		start := time.Now()
		if _, _, err := c.ReserveWithin(t.Context(), a, time.Second); !errors.Is(err, ErrOverflow) ||
			time.Since(start) != time.Second {
			t.Errorf("second of one: %v after %v, want overflow after 1s", err, time.Since(start))
		}
		time.AfterFunc(time.Second, slot.Release)
		if _, got, err := c.ReserveWithin(t.Context(), a, time.Minute); err != nil || got == nil ||
			time.Since(start) != 2*time.Second {
			t.Errorf("one that is released after a second: %v after %v", err, time.Since(start))
		}
		if n := c.Telemetry().Overflow.Load(); n != 2 {
			t.Errorf("%d overflows counted, want 2", n)
		}
	})
}

// TestNothingIsLostInBetween: a slot that was freed just before one began to wait
// is found; one granted just as the waiter left is given back.
func TestNothingIsLostInBetween(t *testing.T) {
	g := limited(t, "a", 1, 1).group
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	w := func() *waiter { return &waiter{endpoint: only(g.active.Load()), max: 1, got: make(chan grant, 1)} }
	for range 50 {
		if got, err := g.wait(gone, w(), 1); err == nil { // either may be seen first
			got.slot.Release()
		}
		late, stop := context.WithTimeout(t.Context(), 10*time.Second)
		got, err := g.wait(late, w(), 1)
		stop()
		if err != nil {
			t.Fatal("a free slot was not found")
		}
		got.slot.Release()
	}
	if n := g.conns.Load(); n != 0 {
		t.Errorf("%d slots were lost", n)
	}
}

// TestPendingUnderLoad: 8 goroutines share 2 connections; nobody is forgotten.
func TestPendingUnderLoad(t *testing.T) {
	c := limited(t, "a b", 2, 8)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 300 {
				e, err := c.Pick(nil)
				if err != nil {
					t.Error(err)
					return
				}
				k := e.Take()
				if k == nil {
					got, slot, err := c.reserveWaiting(t.Context(), e)
					if err != nil {
						t.Error(err)
						return
					}
					if k = got; slot != nil {
						k = &conn{slot: slot}
					}
				}
				e.Put(k, 0)
				e.Done(Success)
			}
		})
	}
	all.Wait()
	if n := c.group.conns.Load(); n < 1 || n > 2 {
		t.Errorf("%d slots taken at the end, want 1 or 2", n)
	}
	if n := c.group.waiting.Load(); n != 0 {
		t.Errorf("%d still wait", n)
	}
}
