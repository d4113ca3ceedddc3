package cluster

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func only(c *Cluster) *Endpoint { return c.view.Load().listed[0].endpoint }

func TestPoolIsMostRecentlyUsedFirst(t *testing.T) {
	_, c := newCluster(t, cfg("a"))
	e := only(c)
	if e.Take() != nil {
		t.Fatal("Take from an empty pool gave a connection")
	}
	var k [6]*conn
	for i := range k {
		k[i] = &conn{}
		e.Put(k[i], 0)
	}
	for i, want := range []int{1, 1, 0, 0, 0, 0} { // max_idle is 4: the oldest two are closed
		if k[i].closed != want {
			t.Errorf("connection %d closed %d times, want %d", i, k[i].closed, want)
		}
	}
	for i := 5; i >= 2; i-- {
		if got := e.Take(); got != k[i] {
			t.Errorf("Take gave %p, want connection %d", got, i)
		}
	}
	if e.Take() != nil {
		t.Error("Take gave a connection twice")
	}
}

// TestPoolChecksWhatWasIdle: given out without a look for a second, and with one after that.
func TestPoolChecksWhatWasIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newCluster(t, cfg("a"))
		e := only(c)
		fresh, dead, alive := &conn{dead: true}, &conn{dead: true}, &conn{}
		e.Put(alive, 0)
		e.Put(dead, 0)
		<-time.After(1500 * time.Millisecond)
		s.Tick()
		e.Put(fresh, 0)
		if e.Take() != fresh || fresh.asked != 0 {
			t.Error("a connection that was just put back was not taken on trust")
		}
		if e.Take() != alive || dead.closed != 1 || alive.closed != 0 {
			t.Errorf("want the dead closed (%d times) and the live one taken", dead.closed)
		}
	})
}

func TestPoolTimes(t *testing.T) {
	for _, row := range []struct {
		name           string
		timeout, peer  time.Duration
		wait           time.Duration
		kept, reapable bool
	}{
		{"within the idle timeout", 90 * time.Second, 0, 89 * time.Second, true, false},
		{"over the idle timeout", 90 * time.Second, 0, 90 * time.Second, false, true},
		{"within the peer's", 90 * time.Second, 4 * time.Second, 3 * time.Second, true, false},
		{"over the peer's", 90 * time.Second, 4 * time.Second, 4 * time.Second, false, true},
		{"the peer allows more than we", 5 * time.Second, time.Hour, 5 * time.Second, false, true},
		{"the peer allows none", 90 * time.Second, -1, 0, false, false},
	} {
		for _, reap := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				cl := cfg("a")
				cl.Keepalive.IdleTimeout = row.timeout
				s, c := newCluster(t, cl)
				e, k := only(c), &conn{}
				e.Put(k, row.peer)
				<-time.After(row.wait)
				s.clock.tick()
				if reap {
					s.Tick()
					if got := k.closed == 1; got != row.reapable && row.peer >= 0 {
						t.Errorf("%s: closed by the reaper %v, want %v", row.name, got, row.reapable)
					}
				}
				if got := e.Take() != nil; got != row.kept {
					t.Errorf("%s: taken %v, want %v", row.name, got, row.kept)
				}
				if !row.kept && k.closed != 1 {
					t.Errorf("%s: closed %d times, want once", row.name, k.closed)
				}
			})
		}
	}
}

// TestReaperFindsDeadPeers: an idle connection is looked at now and then, and
// order is kept.
func TestReaperFindsDeadPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newCluster(t, cfg("a"))
		e := only(c)
		k := []*conn{{}, {dead: true}, {}, {dead: true}}
		for _, k := range k {
			e.Put(k, 0)
		}
		for range 70 {
			<-time.After(100 * time.Millisecond)
			s.Tick()
		}
		if k[0].closed+k[2].closed != 0 || k[1].closed != 1 || k[3].closed != 1 {
			t.Error("want the dead connections closed and no others")
		}
		if k[0].asked != 1 {
			t.Errorf("in 7 s looked at %d times, want once", k[0].asked)
		}
		if e.Take() != k[2] || e.Take() != k[0] || e.Take() != nil {
			t.Error("the survivors are not in order")
		}
	})
}

func TestNothingIsKeptWithoutRoom(t *testing.T) {
	cl := cfg("a")
	cl.Keepalive.MaxIdle = 0
	_, c := newCluster(t, cl)
	k := &conn{}
	only(c).Put(k, 0)
	if k.closed != 1 {
		t.Error("kept a connection with max_idle 0")
	}
}

// TestPoolSurvivesReloads unless connections are to be made in another way.
func TestPoolSurvivesReloads(t *testing.T) {
	cl := cfg("a")
	s, c := newCluster(t, cl)
	k := [3]*conn{{}, {}, {}}
	leased := &conn{}
	for _, k := range k {
		only(c).Put(k, 0)
	}
	cl.Limits.MaxRequests, cl.Keepalive.MaxIdle = 7, 2
	next, err := s.Prepare(new(cl))
	if err != nil {
		t.Fatal(err)
	}
	if k[0].closed != 0 {
		t.Error("Prepare alone has closed a connection")
	}
	old := only(c)
	s.Retire([]*Cluster{next})
	if k[0].closed != 1 || k[1].closed != 0 {
		t.Error("want the new max_idle in force from Retire on")
	}
	if only(next) != old || only(next).Take() != k[2] {
		t.Error("a reload lost the idle connections")
	}

	cl.TLS = config.ClusterTLS{Mode: config.TLSServer}
	secure := add(t, s, cl)
	if only(secure).Take() != nil {
		t.Error("a cluster with TLS took a connection made without")
	}
	if k[1].closed != 1 {
		t.Error("what was connected the old way is still idle")
	}
	if old.Put(leased, 0); leased.closed != 1 {
		t.Error("a leased connection of the old way was kept")
	}
	if only(secure).health != old.health {
		t.Error("the endpoint's health did not survive")
	}
}

type set struct{ closed int }

func (s *set) Close() error { s.closed++; return nil }

func TestSharedSlot(t *testing.T) {
	s, c := newCluster(t, cfg("a"))
	e := only(c)
	if e.Shared() != nil {
		t.Error("the slot of a new endpoint is not empty")
	}
	one, two := &set{}, &set{}
	if e.Share(one) != one || e.Share(two) != one || e.Shared() != one {
		t.Error("the first to fill the slot is not in it")
	}
	s.Retire(nil)
	if one.closed != 1 || two.closed != 0 {
		t.Errorf("closed at Retire: %d and %d, want 1 and 0", one.closed, two.closed)
	}
	if e.Share(one) != nil || e.Shared() != nil {
		t.Error("a retired endpoint keeps a shared set")
	}
}

// TestDoubtClosesWhatWasNotUsedSince: idle for longer than the endpoint was silent, and not a moment less.
func TestDoubtClosesWhatWasNotUsedSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newCluster(t, cfg("a"))
		e := only(c)
		e.Doubt(time.Second) // of none
		k := []*conn{{}, {}, {}}
		for _, k := range k {
			e.Put(k, 0)
			<-time.After(3 * time.Second)
			s.clock.tick()
		}
		e.Doubt(9 * time.Second)
		if n := k[0].closed + k[1].closed + k[2].closed; n != 0 {
			t.Errorf("%d that were used since are closed", n)
		}
		e.Doubt(4 * time.Second)
		if k[0].closed != 1 || k[1].closed != 1 || k[2].closed != 0 || e.Take() != k[2] {
			t.Errorf("closed %d, %d and %d times, want the two that were not used for 4 s",
				k[0].closed, k[1].closed, k[2].closed)
		}
	})
}
