package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func TestEjectionDuration(t *testing.T) {
	f := func(base, longest time.Duration, n int, want time.Duration) {
		t.Helper()
		o := newOutlier(config.PassiveHealth{ConsecutiveFailures: 5, BaseEjection: base, MaxEjection: longest}, false)
		if got := o.duration(n); got != want {
			t.Errorf("duration(%d) of %v up to %v = %v, want %v", n, base, longest, got, want)
		}
	}
	f(30*time.Second, 300*time.Second, 1, 30*time.Second)
	f(30*time.Second, 300*time.Second, 2, 60*time.Second)
	f(30*time.Second, 300*time.Second, 10, 300*time.Second)
	f(30*time.Second, 300*time.Second, 11, 300*time.Second)
	f(30*time.Second, 300*time.Second, 1<<40, 300*time.Second)
	f(30*time.Second, 70*time.Second, 2, 60*time.Second)
	f(30*time.Second, 70*time.Second, 3, 70*time.Second)
	f(30*time.Second, 10*time.Second, 1, 30*time.Second)
	f(0, 0, 1, 0)
}

func TestRoomForEjection(t *testing.T) {
	f := func(n, percent, want int) {
		t.Helper()
		if got := (outlier{percent: percent}).room(n); got != want {
			t.Errorf("room among %d at %d %% = %d, want %d", n, percent, got, want)
		}
	}
	f(0, 50, 0)
	f(1, 100, 0)
	f(2, 50, 1)
	f(3, 50, 1)
	f(4, 50, 2)
	f(5, 50, 2)
	f(10, 10, 1)
	f(3, 10, 1)
	f(3, 0, 0)
	f(3, 100, 3)
}

func TestRamp(t *testing.T) {
	f := func(d time.Duration, percent int64) {
		t.Helper()
		if got := (ramp(d, 10*time.Second)*100 + full/2) / full; got != percent {
			t.Errorf("ramp(%v) = %d %%, want %d %%", d, got, percent)
		}
	}
	f(-time.Second, 10)
	f(0, 10)
	f(5*time.Second, 55)
	f(10*time.Second, 100)
	f(time.Hour, 100)
}

func TestOutcomesThatCount(t *testing.T) {
	counts := map[Outcome]bool{ServerError: true, ConnectFailure: true, Reset: true, Timeout: true, Malformed: true,
		FailureStatus: true}
	for o := Ignored; o <= FailureStatus; o++ {
		cl := cfg("a b")
		cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 3, BaseEjection: time.Minute,
			MaxEjectedPercent: 50}
		s, c := newCluster(t, cl)
		for range 8 {
			if e, err := c.Pick(nil); err == nil && e.Address() == "a" {
				e.Done(o)
			} else if err == nil {
				e.Done(Success)
			}
		}
		st := s.Status()[0].Endpoints[0]
		if got := st.State == stateEjected; got != counts[o] {
			t.Errorf("four times %q: state %s, reason %q", o, st.State, st.Reason)
		}
		if counts[o] && st.Reason != "passive: "+o.String() {
			t.Errorf("reason = %q, want it to name %q", st.Reason, o)
		}
	}
}

// TestEjectionsDecay: the length of ejections grows and falls back with successes.
func TestEjectionsDecay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl := cfg("a b")
		cl.PassiveHealth = config.PassiveHealth{
			ConsecutiveFailures: 1, BaseEjection: 10 * time.Second, MaxEjection: 25 * time.Second,
			MaxEjectedPercent: 50,
		}
		s, c := newCluster(t, cl)
		a := c.view.Load().listed[0].endpoint
		eject := func(want time.Duration) {
			t.Helper()
			a.Report(Reset)
			if a.health.gate.Load() != gateEjected {
				t.Fatal("not ejected")
			}
			<-time.After(want - time.Millisecond)
			s.Tick()
			if a.health.gate.Load() != gateEjected {
				t.Fatalf("ejected for less than %v", want)
			}
			<-time.After(time.Millisecond)
			s.Tick()
			if a.health.gate.Load() != gateProbing {
				t.Fatalf("ejected for more than %v", want)
			}
		}
		well := func(d time.Duration) {
			for range int(d / time.Second) {
				a.Report(Success)
				<-time.After(time.Second)
				s.Tick()
			}
		}
		eject(10 * time.Second)
		eject(20 * time.Second)
		eject(25 * time.Second)
		eject(25 * time.Second)
		well(11 * time.Second) // 3 -> 2
		eject(25 * time.Second)
		well(41 * time.Second) // 3 -> 0
		eject(10 * time.Second)
		eject(20 * time.Second)
		a.Report(Success)
		for range 60 { // one success lets it decay once
			<-time.After(time.Minute)
			s.Tick()
		}
		eject(20 * time.Second)
	})
}

// TestSuccessOfAnEjected counts only when all are: otherwise it is of a request
// from before.
func TestSuccessOfAnEjected(t *testing.T) {
	for _, all := range []bool{false, true} {
		cl := cfg("a b")
		cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Minute,
			MaxEjectedPercent: 100}
		s, c := newCluster(t, cl)
		only(c).Report(Reset)
		if all {
			c.view.Load().listed[1].endpoint.Report(Reset)
		}
		if got := s.Status()[0].Panic; got != all {
			t.Errorf("panic = %v with all out = %v", got, all)
		}
		only(c).Report(Success)
		st := s.Status()[0]
		a, b := st.Endpoints[0].Passive.State, st.Endpoints[1].Passive.State
		if got, want := a+" "+b, map[bool]string{false: "ejected healthy", true: "healthy probing"}[all]; got != want ||
			st.Panic {
			t.Errorf("all out = %v, then a success of a: %s, panic %v, want %s", all, got, st.Panic, want)
		}
	}
}

// ejectable runs f for wrr, random and least_request, on a cluster of a and b. One failure of a ejects it for a second.
func ejectable(t *testing.T, f func(t *testing.T, balance string, s *Set, c *Cluster, a *Endpoint)) {
	t.Helper()
	for _, balance := range []string{config.BalanceWRR, config.BalanceRandom, config.BalanceLeastRequest} {
		synctest.Test(t, func(t *testing.T) {
			cl := cfg("a b")
			cl.Balance = balance
			cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Second,
				MaxEjectedPercent: 50}
			s, c := newCluster(t, cl)
			f(t, balance, s, c, c.view.Load().listed[0].endpoint)
		})
	}
}

// TestProbesOneAtATime: a tunnel from before does not keep probes away, and a
// probe that hangs is not joined by others.
func TestProbesOneAtATime(t *testing.T) {
	ejectable(t, func(t *testing.T, balance string, s *Set, c *Cluster, a *Endpoint) {
		tunnel := a.lease()
		a.Report(ConnectFailure)
		<-time.After(time.Second)
		s.Tick()
		probes := func() (n int) {
			for range 400 {
				e, err := c.Pick(nil)
				if err != nil {
					t.Fatal(err)
				}
				if e == a {
					n++
					continue // hangs
				}
				e.Done(Success)
			}
			return n
		}
		if n := probes(); n != 1 {
			t.Errorf("%s: %d probes at a time, want 1", balance, n)
		}
		a.health.inFlight.Add(1) // the lease that a probe's client left
		a.group.requests.Add(1)
		a.Done(ClientGone)
		if n := probes(); n != 1 {
			t.Errorf("%s: %d probes after one that said nothing, want 1", balance, n)
		}
		a.Report(Success)
		if a.health.gate.Load() != gateOpen {
			t.Errorf("%s: a probe's success does not open the gate", balance)
		}
		tunnel.health.inFlight.Add(-1)
	})
}

// TestProbeWithoutVerdict: one that hangs does not keep others away for good, and few of them hang.
func TestProbeWithoutVerdict(t *testing.T) {
	ejectable(t, func(t *testing.T, balance string, s *Set, c *Cluster, a *Endpoint) {
		a.Report(ConnectFailure)
		<-time.After(time.Second)
		s.Tick()
		begun, began := time.Now(), []time.Duration{}
		for time.Since(begun) < time.Minute {
			for range 400 {
				e, err := c.Pick(nil)
				if err != nil {
					t.Fatal(err)
				}
				if e == a {
					began = append(began, time.Since(begun))
					continue // hangs
				}
				e.Done(Success)
			}
			<-time.After(time.Second)
			s.Tick()
		}
		if want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 35 * time.Second}; !slices.Equal(began,
			want) {
			t.Errorf("%s: probes after %v, want %v", balance, began, want)
		}
		a.Done(Success)
		if a.health.gate.Load() != gateOpen {
			t.Errorf("%s: the success of one that took long does not open the gate", balance)
		}
	})
}

// TestPassiveHealthSwitchedOff: a revision without it lets everything out.
func TestPassiveHealthSwitchedOff(t *testing.T) {
	cl := cfg("a b")
	cl.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Minute, MaxEjectedPercent: 50}
	s, c := newCluster(t, cl)
	c.view.Load().listed[0].endpoint.Report(Timeout)
	if got := picks(c, 4); got != "b b b b" {
		t.Fatalf("picks while a is ejected: %s", got)
	}
	cl.PassiveHealth = config.PassiveHealth{}
	add(t, s, cl)
	s.Tick()
	if st := s.Status()[0].Endpoints[0]; st.State != stateHealthy {
		t.Errorf("a is %s (%s) in a cluster without passive health", st.State, st.Reason)
	}
}
