package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// probes is a Probe that a test plays: endpoints answer well unless they are among bad.
type probes struct {
	mu    sync.Mutex // guards what follows
	bad   map[string]string
	asked map[string]int
}

func (p *probes) ask(_ context.Context, address string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[address]++
	if why, bad := p.bad[address]; bad {
		return errors.New(why)
	}
	return nil
}

// turn makes an endpoint bad for a reason, or well without one.
func (p *probes) turn(address, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if delete(p.bad, address); why != "" {
		p.bad[address] = why
	}
}

func (p *probes) count(address string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[address]
}

// checking is cfg with a check a second, of which two are needed to come back and three to go.
func checking(endpoints string) config.Cluster {
	c := cfg(endpoints)
	c.HealthCheck = config.HealthCheck{
		Type: config.HealthCheckTCP, Interval: time.Second, Timeout: 500 * time.Millisecond, HealthyThreshold: 2,
		UnhealthyThreshold: 3,
	}
	return c
}

// states are the endpoints' states by the check, and of all facts: "a=healthy/healthy".
func states(s *Set) string {
	var all []string
	for _, e := range s.Status()[0].Endpoints {
		by := "-"
		if e.Check != nil {
			by = e.Check.State
		}
		all = append(all, e.Address+"="+by+"/"+e.State)
	}
	return strings.Join(all, " ")
}

// bubble runs f in synctest with a set, and ends all checks behind it.
func bubble(t *testing.T, f func(t *testing.T, s *Set, p *probes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := NewSet(Options{})
		f(t, s, &probes{bad: map[string]string{}, asked: map[string]int{}})
		s.Retire(nil)
		s.checks.Wait()
	})
}

func TestCheckThresholds(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		c := add(t, s, checking("a b"))
		p.turn("b", "connection refused")
		answered := make(chan struct{})
		c.Check(t.Context(), func(ctx context.Context, address string) error {
			<-answered
			return p.ask(ctx, address)
		})
		synctest.Wait()
		if got, want := states(s), "a=unknown/healthy b=unknown/healthy"; got != want {
			t.Errorf("before the first result: %s, want %s", got, want)
		}
		close(answered)
		for _, step := range []struct {
			after time.Duration // intervals vary by a tenth either way
			turn  string        // a, and why
			want  string
		}{
			{0, "", "a=healthy/healthy b=unhealthy/unhealthy"}, // the first result decides
			{2900 * time.Millisecond, "timeout", "a=healthy/healthy b=unhealthy/unhealthy"},
			{1800 * time.Millisecond, "", "a=healthy/healthy b=unhealthy/unhealthy"}, // at most two failures
			{1200 * time.Millisecond, "timeout", "a=healthy/healthy b=unhealthy/unhealthy"},
			{3400 * time.Millisecond, "timeout", "a=unhealthy/unhealthy b=unhealthy/unhealthy"},
			{800 * time.Millisecond, "", "a=unhealthy/unhealthy b=unhealthy/unhealthy"},
			{2300 * time.Millisecond, "", "a=healthy/healthy b=unhealthy/unhealthy"},
		} {
			<-time.After(step.after) // of the bubble
			synctest.Wait()
			if got := states(s); got != step.want {
				t.Errorf("at %v: %s, want %s", s.clock.now(), got, step.want)
			}
			p.turn("a", step.turn)
		}
		st := s.Status()[0].Endpoints[1]
		if st.Reason != "check: connection refused" || st.Since == nil || !st.Since.Equal(*st.Check.Since) ||
			st.Passive.State != stateHealthy {
			t.Errorf("status of b = %+v", st)
		}
		if h, e, u := c.group.counts(); h != 1 || e != 0 || u != 1 {
			t.Errorf("counts = %d healthy, %d ejected, %d unhealthy", h, e, u)
		}
	})
}

func TestCheckTakesEndpointsOutAndBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		c := add(t, s, checking("a b"))
		p.turn("a", "status 503")
		c.Check(t.Context(), p.ask)
		synctest.Wait()
		if got := picks(c, 3); got != "b b b" {
			t.Errorf("picks = %s, want only b", got)
		}
		p.turn("b", "status 503")
		<-time.After(4 * time.Second)
		synctest.Wait()
		if got := picks(c, 4); got != "a b a b" && got != "b a b a" {
			t.Errorf("picks = %s, want both in panic", got)
		}
		if !s.Status()[0].Panic {
			t.Error("the status does not tell of the panic")
		}
		p.turn("a", "")
		<-time.After(3 * time.Second)
		synctest.Wait()
		if got := picks(c, 3); got != "a a a" {
			t.Errorf("picks = %s, want only a", got)
		}
		if w := s.Status()[0].Endpoints[0].EffectiveWeight; w > 0.5 {
			t.Errorf("weight of a = %v, want a slow start", w)
		}
	})
}

func TestCheckPanicNever(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		o := checking("a")
		o.Panic = config.PanicNever
		c := add(t, s, o)
		p.turn("a", "down")
		c.Check(t.Context(), p.ask)
		synctest.Wait()
		if got := picks(c, 1); got != "-" {
			t.Errorf("picks = %s, want none", got)
		}
	})
}

// What the checks say and what requests show are separate: neither ends the other's verdict.
func TestCheckAndPassiveHealth(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		o := checking("a b")
		o.PassiveHealth = config.PassiveHealth{ConsecutiveFailures: 1, BaseEjection: time.Minute,
			MaxEjection: time.Minute, MaxEjectedPercent: 50}
		c := add(t, s, o)
		c.Check(t.Context(), p.ask)
		synctest.Wait()
		e, err := c.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		e.Done(Reset)
		<-time.After(10 * time.Second)
		synctest.Wait()
		if got, want := states(s), "a=healthy/ejected b=healthy/healthy"; got != want {
			t.Errorf("states = %s, want %s: checks that pass end no ejection", got, want)
		}
	})
}

// Verdicts, and the times of the next checks, go over to the next revision; a revision without checks forgets them.
func TestCheckOverRevisions(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		p.turn("a", "down")
		c := add(t, s, checking("a b"))
		c.Check(t.Context(), p.ask)
		synctest.Wait()
		for i := range 20 {
			o := checking("a b c")
			o.HealthCheck.UnhealthyThreshold = 3 + i
			next := add(t, s, o)
			if got := picks(next, 4); strings.Contains(got, "a") {
				t.Fatalf("picks = %s: the new revision uses what fails", got)
			}
			next.Check(t.Context(), p.ask)
			synctest.Wait()
			c = next
		}
		if n := p.count("a"); n != 1 {
			t.Errorf("a was asked %d times in no time, want 1", n)
		}
		if n := p.count("c"); n != 1 {
			t.Errorf("c was asked %d times, want once, when it was new", n)
		}
		plain := add(t, s, cfg("a b"))
		if got, want := states(s), "a=-/healthy b=-/healthy"; got != want {
			t.Errorf("states = %s, want %s", got, want)
		}
		plain.Check(t.Context(), p.ask) // it has none
		<-time.After(time.Minute)
		synctest.Wait()
		if n := p.count("b"); n != 1 {
			t.Errorf("b was asked %d times, want 1: the checks ended with their revision", n)
		}
		again := add(t, s, checking("a b"))
		if got, want := states(s), "a=unknown/healthy b=unknown/healthy"; got != want {
			t.Errorf("states = %s, want %s", got, want)
		}
		again.Check(t.Context(), p.ask)
		synctest.Wait()
		if got, want := states(s), "a=unhealthy/unhealthy b=healthy/healthy"; got != want {
			t.Errorf("states = %s, want %s", got, want)
		}
	})
}

// A check that is cut by the end of its revision says nothing about the endpoint.
func TestCheckThatIsCut(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		hang := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		ctx, cancel := context.WithCancel(t.Context())
		add(t, s, checking("a b")).Check(ctx, hang)
		synctest.Wait()
		next := add(t, s, checking("a b"))
		s.checks.Wait() // it ends at once
		next.Check(ctx, hang)
		<-time.After(1050 * time.Millisecond)
		synctest.Wait()
		cancel()
		s.checks.Wait() // and so with its context
		if got, want := states(s), "a=unknown/healthy b=unknown/healthy"; got != want {
			t.Errorf("states = %s, want %s", got, want)
		}
	})
}

// A check that could not be made says nothing about the endpoint.
func TestCheckWithoutVerdict(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		asked := 0
		add(t, s, checking("a")).Check(t.Context(), func(context.Context, string) error {
			asked++
			return fmt.Errorf("no descriptor is left: %w", ErrNoVerdict)
		})
		<-time.After(5500 * time.Millisecond)
		synctest.Wait()
		if got, want := states(s), "a=unknown/healthy"; got != want || asked < 4 {
			t.Errorf("after %d checks the state is %s, want %s", asked, got, want)
		}
	})
}

// A shorter interval is in force at once.
func TestCheckIntervalOverRevisions(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		o := checking("a")
		o.HealthCheck.Interval = time.Hour
		add(t, s, o).Check(t.Context(), p.ask)
		synctest.Wait()
		add(t, s, checking("a")).Check(t.Context(), p.ask)
		<-time.After(1150 * time.Millisecond)
		synctest.Wait()
		if n := p.count("a"); n != 2 {
			t.Errorf("a was asked %d times, want 2", n)
		}
	})
}

func TestCheckTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, _ *probes) {
		c := add(t, s, checking("a"))
		c.Check(t.Context(), func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return errors.New("read: i/o timeout")
		})
		<-time.After(501 * time.Millisecond)
		synctest.Wait()
		if st := s.Status()[0].Endpoints[0]; st.Reason != "check: timeout" {
			t.Errorf("reason = %q, want a timeout", st.Reason)
		}
	})
}

// However many endpoints hang, only so many are asked at a time, and the others get their turn.
func TestChecksAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, _ *probes) {
		var names []string
		for i := range 100 {
			names = append(names, fmt.Sprint("e", i))
		}
		c := add(t, s, checking(strings.Join(names, " ")))
		var now, most, all atomic.Int64
		c.Check(t.Context(), func(ctx context.Context, _ string) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer now.Add(-1)
			all.Add(1)
			<-ctx.Done()
			return ctx.Err()
		})
		<-time.After(4 * time.Second)
		synctest.Wait()
		if most.Load() != checksAtOnce || all.Load() < 100 {
			t.Errorf("%d at once, %d in all, want %d and at least 100", most.Load(), all.Load(), checksAtOnce)
		}
	})
}

// Endpoints that come from Consul later are checked within a second.
func TestCheckOfNewEndpoints(t *testing.T) {
	bubble(t, func(t *testing.T, s *Set, p *probes) {
		o := checking("a")
		o.HealthCheck.Interval = time.Minute
		o.Consul.Service = "orders"
		c := add(t, s, o)
		c.Check(t.Context(), p.ask)
		synctest.Wait()
		p.turn("b", "down")
		c.SetEndpoints(discovered("b"))
		<-time.After(rescanEvery)
		synctest.Wait()
		if got, want := states(s), "a=healthy/healthy b=unhealthy/unhealthy"; got != want {
			t.Errorf("states = %s, want %s", got, want)
		}
	})
}
