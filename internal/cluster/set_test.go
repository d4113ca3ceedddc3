package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

func TestPrepareRefuses(t *testing.T) {
	f := func(edit func(*config.Cluster), want string) {
		t.Helper()
		cl := cfg("a")
		edit(&cl)
		if _, err := NewSet(Options{}).Prepare(new(cl)); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(func(c *config.Cluster) { c.Balance = "best" }, `cluster "orders": balance: not known ("best")`)
	f(func(c *config.Cluster) { c.Endpoints[0].Weight = 65536 },
		`cluster "orders": endpoint a: weight: not 0 to 65535 (65536)`)
	f(func(c *config.Cluster) { c.Endpoints[0].Weight = -1 },
		`cluster "orders": endpoint a: weight: not 0 to 65535 (-1)`)
}

// TestRevisionThatFails: what was prepared for it leaves no trace.
func TestRevisionThatFails(t *testing.T) {
	s, c := newCluster(t, cfg("a b"))
	k := &conn{}
	only(c).Put(k, 0)
	other := cfg("x y")
	other.PassiveHealth.ConsecutiveFailures = 1
	if _, err := s.Prepare(new(other)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(&config.Cluster{Name: "users"}); err != nil {
		t.Fatal(err)
	}
	if got := picks(c, 4); got != "a b a b" {
		t.Errorf("while another is prepared: %s", got)
	}
	s.Retire([]*Cluster{c})
	st := s.Status()
	if len(st) != 1 || len(st[0].Endpoints) != 2 || k.closed != 0 {
		t.Errorf("after the failed revision: %+v, closed %d", st, k.closed)
	}
	if len(c.group.endpoints) != 2 || len(s.groups) != 1 { // +checklocksignore: one goroutine
		n := len(c.group.endpoints) // +checklocksignore: one goroutine
		groups := len(s.groups)     // +checklocksignore: one goroutine
		t.Errorf("%d endpoints in %d groups are left, want 2 in 1", n, groups)
	}
}

// TestRevisionAdoptsWhatConsulSaid if the question is the same.
func TestRevisionAdoptsWhatConsulSaid(t *testing.T) {
	cl := cfg("")
	cl.Consul = config.Consul{Service: "orders"}
	s, c := newCluster(t, cl)
	c.SetEndpoints(discovered("a b:warning"))
	old := c

	cl.Consul.OnlyPassing = true
	c = add(t, s, cl)
	if got := picks(c, 3); got != "a a a" {
		t.Errorf("the same question, only passing: %s", got)
	}
	c.SetEndpoints(discovered("a c"))
	if got := picks(c, 4); got != "a c a c" {
		t.Errorf("after a delivery: %s", got)
	}
	if got := picks(old, 4); strings.Contains(got, "-") || strings.Contains(got, "c") {
		t.Errorf("the old revision still answers as it was, got %s", got)
	}
	cl.Consul.Tags = "v2"
	c = add(t, s, cl)
	if got := picks(c, 1); got != "-" {
		t.Errorf("another question begins with nothing, got %s", got)
	}
}

// TestDeliveryReachesEveryLiveRevision: the one that serves does not miss what
// arrives while the next is prepared.
func TestDeliveryReachesEveryLiveRevision(t *testing.T) {
	cl := cfg("")
	cl.Consul.Service = "orders"
	s, old := newCluster(t, cl)
	next, err := s.Prepare(new(cl))
	if err != nil {
		t.Fatal(err)
	}
	next.SetEndpoints(discovered("a"))
	if picks(old, 1) != "a" || picks(next, 1) != "a" {
		t.Error("a delivery reached one of two live revisions only")
	}
}

// TestEmptyHoldOfTwoRevisions: another hold is not another question, and one that
// is shorter counts from when its revision serves.
func TestEmptyHoldOfTwoRevisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := cfg("")
		cl.Consul = config.Consul{Service: "orders", EmptyHold: 30 * time.Second}
		s, old := newCluster(t, cl)
		old.SetEndpoints(discovered("a"))
		cl.Consul.EmptyHold = 0
		next, err := s.Prepare(new(cl))
		if err != nil {
			t.Fatal(err)
		}
		next.SetEndpoints(nil)
		if picks(old, 1) != "a" || picks(next, 1) != "a" {
			t.Error("a revision that does not serve yet ended the hold of the one that does")
		}
		s.Retire([]*Cluster{next})
		next.SetEndpoints(nil)
		if got := picks(next, 1); got != "-" {
			t.Errorf("with empty_hold 0s picked %s, want none", got)
		}
		next.SetEndpoints(discovered("b"))
		if got := picks(next, 1); got != "b" {
			t.Errorf("after another delivery picked %s, want b", got)
		}
	})
}

func TestStaticAndDiscovered(t *testing.T) {
	cl := cfg("a*3 b")
	cl.Consul.Service = "orders"
	_, c := newCluster(t, cl)
	c.SetEndpoints(discovered("a*9 c"))
	if got := picks(c, 5); strings.Count(got, "a") != 3 || strings.Count(got, "b") != 1 ||
		strings.Count(got, "c") != 1 {
		t.Errorf("a keeps the document's weight: %s", got)
	}
	c.SetEndpoints(discovered("a:critical c"))
	if got := picks(c, 4); strings.Contains(got, "a") {
		t.Errorf("a is critical in Consul: %s", got)
	}
	_, without := newCluster(t, cfg("a"))
	without.SetEndpoints(discovered("z")) // nobody asked
	if got := picks(without, 2); got != "a a" {
		t.Errorf("a cluster without consul took a delivery: %s", got)
	}
}

// TestRetireClosesConnections: idle ones at once, leased ones on return.
func TestRetireClosesConnections(t *testing.T) {
	cl := cfg("")
	cl.Consul.Service = "orders"
	s, c := newCluster(t, cl)
	c.SetEndpoints(discovered("a b"))
	e, err := c.Pick(nil)
	if err != nil {
		t.Fatal(err)
	}
	idle, leased := &conn{}, &conn{}
	e.Put(idle, 0)
	c.SetEndpoints(discovered("b")) // a is deregistered
	if idle.closed != 1 {
		t.Error("an idle connection to an endpoint that is gone was kept")
	}
	if st := s.Status()[0].Endpoints; len(st) != 2 || st[1].State != stateDraining || st[1].InFlight != 1 {
		t.Errorf("status while a request is in flight on it: %+v", st)
	}
	e.Put(leased, 0)
	e.Done(Success)
	if leased.closed != 1 || c.InFlight() != 0 {
		t.Error("the leased connection was not closed on return")
	}
}

// TestMemoryOfTheGone: ejected, gone, back: still ejected; after minutes
// forgotten; and never more than a bounded number.
func TestMemoryOfTheGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := cfg("a b")
		cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Hour, MaxEjectedPercent: 50}
		s, c := newCluster(t, cl)
		only(c).Report(Reset)
		less := cl
		less.Endpoints = cl.Endpoints[1:]
		flap := func(away time.Duration) string {
			add(t, s, less)
			<-time.After(away)
			s.Tick()
			return picks(add(t, s, cl), 2)
		}
		if got := flap(4 * time.Minute); got != "b b" {
			t.Errorf("gone for 4 minutes: %s, want it still ejected", got)
		}
		if got := flap(5 * time.Minute); got != "a b" {
			t.Errorf("gone for 5 minutes: %s, want it forgotten", got)
		}
		cl.Consul.Service = "orders"
		c = add(t, s, cl)
		for i := range 3 * rememberMost {
			c.SetEndpoints(discovered(fmt.Sprintf("x%d", i)))
		}
		<-time.After(reapEvery)
		s.Tick()
		if n := len(c.group.healths); n > rememberMost+3 { // +checklocksignore: one goroutine
			t.Errorf("%d endpoints remembered, want at most %d", n, rememberMost+3)
		}
		if n := len(c.group.endpoints); n != 3 { // +checklocksignore: one goroutine
			t.Errorf("%d endpoints, want 3", n)
		}
	})
}

// TestMemoryOfClusters: a cluster that no revision names is remembered like an endpoint, and is
// told of to nobody meanwhile.
func TestMemoryOfClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := cfg("a b")
		cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Hour, MaxEjectedPercent: 50}
		s, c := newCluster(t, cl)
		other := config.Cluster{Name: "users"}
		only(c).Report(Reset)
		k := &conn{}
		c.view.Load().listed[1].endpoint.Put(k, 0)
		away := func(d time.Duration) string {
			add(t, s, other)
			if st := s.Status(); len(st) != 1 || st[0].Name != "users" {
				t.Errorf("status without the cluster: %+v", st)
			}
			<-time.After(d)
			s.Tick()
			return picks(add(t, s, cl), 2)
		}
		if got := away(4 * time.Minute); got != "b b" {
			t.Errorf("gone for 4 minutes: %s, want a still ejected", got)
		}
		if k.closed != 1 {
			t.Error("an idle connection of a cluster that is gone was kept")
		}
		if got := away(5 * time.Minute); got != "a b" {
			t.Errorf("gone for 5 minutes: %s, want it forgotten", got)
		}
		add(t, s, other)
		<-time.After(rememberFor)
		s.Tick()
		if len(s.groups) != 1 { // +checklocksignore: one goroutine
			t.Errorf("%d groups are kept, want that in service", len(s.groups)) // +checklocksignore: one goroutine
		}
		for i := range 2 * rememberMost {
			cl.Name = fmt.Sprintf("x%d", i)
			add(t, s, cl)
		}
		if n := len(s.groups); n > rememberMost+1 { // +checklocksignore: one goroutine
			t.Errorf("%d groups are kept, want at most %d", n, rememberMost+1)
		}
	})
}

// TestNoAllocations: the way of a request allocates nothing.
func TestNoAllocations(t *testing.T) {
	for _, balance := range []string{config.BalanceWRR, config.BalanceRandom, config.BalanceLeastRequest} {
		for _, endpoints := range []string{"a", "a*5 b c"} {
			cl := cfg(endpoints)
			cl.Balance = balance
			_, c := newCluster(t, cl)
			for range 100 {
				cycle(c, nil) // every endpoint has its connection
			}
			if n := testing.AllocsPerRun(1000, func() { cycle(c, nil) }); n != 0 {
				t.Errorf("%s over %s: %v allocations a request", balance, endpoints, n)
			}
			if n := testing.AllocsPerRun(1000, func() { var tried Tried; cycle(c, &tried) }); n != 0 {
				t.Errorf("%s over %s: %v allocations a request that may be retried", balance, endpoints, n)
			}
		}
	}
}

// TestRace lets requests, deliveries, reloads and ticks meet; the race detector
// and the counts at the end are the test.
func TestRace(t *testing.T) {
	testserver.Goroutines(t)
	cl := cfg("s")
	cl.Consul.Service = "orders"
	cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 2, BaseEjection: time.Millisecond,
		MaxEjectedPercent: 50}
	cl.Limits = config.ClusterLimits{MaxConnections: 6, MaxPending: 8}
	s, first := newCluster(t, cl)
	ctx, cancel := context.WithCancel(t.Context())
	var table struct {
		sync.Mutex
		c *Cluster
	}
	table.c = first
	var users, keeper sync.WaitGroup
	keeper.Go(func() { s.Run(ctx) })
	for range 4 {
		users.Go(func() {
			for i := range 2000 {
				table.Lock()
				c := table.c
				table.Unlock()
				var tried Tried
				e, err := c.Pick(&tried)
				if err != nil {
					t.Error(err)
					return
				}
				k := e.Take()
				if k == nil {
					got, slot, err := c.reserveWaiting(ctx, e)
					if err != nil {
						t.Error(err)
						return
					}
					if k = got; slot != nil {
						k = &conn{slot: slot}
					}
				}
				if i%5 == 0 {
					_ = k.Close()
				} else {
					e.Put(k, 0)
				}
				e.Done(Outcome(i % (int(FailureStatus) + 1)))
			}
		})
	}
	for i := range 100 {
		c := table.c // the only writer
		c.SetEndpoints(discovered([]string{"a b", "a b:critical c", "c", "", "a:maintenance s:critical b"}[i%5]))
		if i%10 == 0 {
			cl.TLS.ServerName = fmt.Sprint(i % 20)
			cl.Consul.EmptyHold = time.Duration(i%20) * time.Second
			next, err := s.Prepare(new(cl))
			if err != nil {
				t.Fatal(err)
			}
			table.Lock()
			table.c = next
			table.Unlock()
			s.Retire([]*Cluster{next})
		}
		s.Tick()
		s.Status()
	}
	users.Wait()
	cancel()
	keeper.Wait()
	s.Retire(nil)
	if g := first.group; g.requests.Load() != 0 || g.conns.Load() != 0 || g.waiting.Load() != 0 {
		t.Errorf("left: %d leases, %d slots, %d waiting", g.requests.Load(), g.conns.Load(), g.waiting.Load())
	}
	if _, err := table.c.Pick(nil); err != nil && !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("a retired cluster's pick: %v", err)
	}
}
