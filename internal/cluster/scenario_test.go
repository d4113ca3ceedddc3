package cluster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// A scenario is a load of 100 requests a second on a cluster whose endpoints
// behave as the steps say. A step is "duration behaviours -> expectations". A behaviour is endpoint=ok|down|half|hang
// (half: every other answer is a 500; hang: a timeout after 2 s). An expectation is name=low..high. For an endpoint
// that is its share of the step's requests in percent, and for failed it is how many requests failed. "consul LIST" in
// place of behaviours is a delivery of Consul's.
var scenarios = []struct {
	name      string
	endpoints string
	edit      func(*config.Cluster)
	steps     string
}{
	{
		name:      "all well",
		endpoints: "a b c*2",
		steps:     `10s -> a=25..25 b=25..25 c=50..50 failed=0..0`,
	},
	{
		// Ejected after 5, probed after 30 s, 60 s, ...: each probe that fails ejects for longer.
		name:      "dies and comes back",
		endpoints: "a b c",
		steps: `
			5s         -> a=33..34 failed=0..0
			25s a=down -> a=0..1 b=49..50 c=49..50 failed=5..5
			70s        -> a=0..1 failed=1..2
			98s a=ok   -> a=0..10 failed=0..0
			30s        -> a=33..34 b=33..34 failed=0..0`,
	},
	{
		name:      "returns slowly",
		endpoints: "a b c",
		steps: `
			5s a=down -> failed=5..5
			25s a=ok  -> a=0..0
			1s        -> a=0..12
			3s        -> a=4..16
			10s       -> a=18..33
			10s       -> a=33..34`,
	},
	{
		name:      "returns at once",
		endpoints: "a b c",
		edit:      func(c *config.Cluster) { c.SlowStart = 0 },
		steps: `
			5s a=down -> failed=5..5
			25s a=ok  -> a=0..0
			1s        -> a=0..34
			3s        -> a=32..34`,
	},
	{
		name:      "returns more slowly",
		endpoints: "a b c",
		edit:      func(c *config.Cluster) { c.SlowStart = 40 * time.Second },
		steps: `
			5s a=down -> failed=5..5
			25s a=ok  -> a=0..0
			5s        -> a=0..12
			10s       -> a=6..20
			30s       -> a=18..33
			10s       -> a=33..34`,
	},
	{
		name:      "answers 500 half the time, no passive health",
		endpoints: "a b c",
		edit:      func(c *config.Cluster) { c.PassiveHealth = config.PassiveHealth{} },
		steps: `
			30s a=half -> a=8..16 b=41..46 c=41..46 failed=120..240
			2s a=ok    -> a=10..34
			10s        -> a=32..34`,
	},
	{
		name:      "always fails, no passive health: less instead of nothing",
		endpoints: "a b c",
		edit:      func(c *config.Cluster) { c.PassiveHealth = config.PassiveHealth{} },
		steps:     `30s a=down -> a=4..8 failed=120..240`,
	},
	{
		name:      "answers 500 half the time, never five in a row",
		endpoints: "a b c",
		steps:     `30s a=half -> a=8..16 b=41..46 c=41..46`,
	},
	{
		// What was sent before the first timeouts fails; then one probe hangs at a time.
		name:      "hangs and comes back",
		endpoints: "a b c",
		steps: `
			20s a=hang -> a=3..5 failed=67..80
			30s        -> a=0..1 failed=0..2
			90s a=ok   -> failed=0..1
			20s        -> a=33..34 failed=0..0`,
	},
	{
		// Only half may be out at a time, so the third is still used, but less.
		name:      "two of three die",
		endpoints: "a b c",
		steps: `
			20s a=down b=down -> c=80..98
			60s a=ok b=ok     -> a=10..40 b=10..40
			60s               -> a=33..34 b=33..34 failed=0..0`,
	},
	{
		// With all of them allowed out: panic, and the first success ends it.
		name:      "all die and come back",
		endpoints: "a b c",
		edit:      func(c *config.Cluster) { c.PassiveHealth.MaxEjectedPercent = 100 },
		steps: `
			10s a=down b=down c=down -> a=30..37 b=30..37 c=30..37 failed=1000..1000
			5s a=ok b=ok c=ok        -> a=20..45 b=20..45 c=20..45 failed=0..0
			20s                      -> failed=0..0
			10s                      -> a=33..34 b=33..34 failed=0..0`,
	},
	{
		name:      "all die, panic never",
		endpoints: "a b",
		edit: func(c *config.Cluster) {
			c.PassiveHealth.MaxEjectedPercent = 100
			c.Panic = config.PanicNever
		},
		steps: `
			10s a=down b=down -> none=98..99 failed=1000..1000
			60s a=ok b=ok     -> none=20..40
			20s               -> a=49..51 none=0..0 failed=0..0`,
	},
	{
		name:      "the sole endpoint is never ejected",
		endpoints: "a",
		steps: `
			10s a=down -> a=100..100 failed=1000..1000
			10s a=ok   -> a=100..100 failed=0..0`,
	},
	{
		// Up for 3 s, down for 3 s, and so on: each time it is out for longer.
		name:      "flaps",
		endpoints: "a b c",
		steps: `
			3s a=down -> failed=5..5
			30s a=ok  -> failed=0..0
			10s       -> a=10..33
			3s a=down -> failed=5..5
			30s a=ok  -> a=0..0
			25s       -> a=0..0
			20s       -> a=10..33`,
	},
	{
		name:      "random: dies and comes back",
		endpoints: "a b c",
		edit:      func(c *config.Cluster) { c.Balance = config.BalanceRandom },
		steps: `
			30s        -> a=28..39 b=28..39 c=28..39
			25s a=down -> a=0..1 b=45..55 failed=5..5
			60s a=ok   -> failed=0..0
			30s        -> a=28..39 failed=0..0`,
	},
	{
		name:      "least_request: hangs",
		endpoints: "a b c",
		edit: func(c *config.Cluster) {
			c.Balance = config.BalanceLeastRequest
			c.PassiveHealth = config.PassiveHealth{}
		},
		steps: `30s a=hang -> a=0..5`,
	},
	{
		name: "consul: comes, goes critical, is drained",
		steps: `
			1s                                -> none=100..100
			10s consul a b                    -> a=50..50 b=50..50
			10s consul a b c                  -> a=33..34 c=33..34
			10s consul a b:critical c:warning -> a=49..51 c=49..51
			10s consul a:maintenance b:critical c:warning -> c=100..100
			10s consul a:maintenance b:critical c:critical -> b=49..51 c=49..51 none=0..0
			10s consul a:maintenance          -> none=100..100`,
	},
	{
		name: "consul: a sole critical endpoint stays in use",
		steps: `
			10s consul a          -> a=100..100
			10s consul a:critical -> a=100..100 none=0..0`,
	},
	{
		name: "consul: critical, panic never",
		edit: func(c *config.Cluster) { c.Panic = config.PanicNever },
		steps: `
			10s consul a          -> a=100..100
			10s consul a:critical -> none=100..100`,
	},
	{
		name: "consul: all deregistered are held 30 s",
		steps: `
			10s consul a b -> a=50..50
			29s consul     -> a=50..50 b=50..50 none=0..0
			2s             -> none=40..50
			10s            -> none=100..100
			5s consul b    -> b=100..100`,
	},
	{
		name: "consul: all deregistered are held as long as empty_hold says",
		edit: func(c *config.Cluster) { c.Consul.EmptyHold = 5 * time.Second },
		steps: `
			10s consul a b -> a=50..50
			4s consul      -> a=50..50 b=50..50 none=0..0
			2s             -> none=40..60
			5s consul b    -> b=100..100`,
	},
	{
		// Not even as softly as when one of them is left.
		name: "consul: all deregistered, empty_hold 0s",
		edit: func(c *config.Cluster) { c.Consul.EmptyHold = 0 },
		steps: `
			10s consul a b c d e -> a=20..20
			1s consul            -> none=100..100
			5s consul b          -> b=100..100`,
	},
	{
		// The held ones go one by one within 5 s, not at once.
		name: "consul: one comes back while the others are held",
		steps: `
			10s consul a b c d e -> a=20..20
			5s consul            -> a=20..20 e=20..20
			5s consul a          -> a=30..35 b=4..6 e=30..35
			5s                   -> a=98..100`,
	},
	{
		name: "consul: losing three of four takes 5 s",
		steps: `
			10s consul a b c d -> a=25..25
			1s consul a        -> a=25..25 d=25..25
			1s                 -> b=5..20
			2s                 -> b=0..0 c=8..33 d=33..50
			2s                 -> c=0..0
			5s                 -> a=100..100`,
	},
	{
		name: "consul: three of four going critical takes 5 s",
		steps: `
			10s consul a b c d                            -> a=25..25
			1s consul a b:critical c:critical d:critical  -> a=25..25 d=25..25
			4s consul a b:critical c:critical d:critical  -> a=30..60
			5s                                            -> a=98..100`,
	},
	{
		name: "consul: all critical, passive health chooses among them",
		steps: `
			5s consul a:critical b:critical c:critical -> a=33..34
			10s a=down                                 -> a=0..1 b=49..50 failed=5..5`,
	},
	{
		name: "consul: losing one of four is at once",
		steps: `
			10s consul a b c d -> a=25..25
			1s consul a b c    -> a=33..34 d=0..0`,
	},
	{
		name: "consul: flapping returns slowly",
		steps: `
			5s consul a b          -> b=50..50
			5s consul a b:critical -> b=0..0
			5s consul a b          -> b=50..50
			5s consul a b:critical -> b=0..0
			2s consul a b          -> b=5..20
			15s                    -> b=35..50
			5s                     -> b=50..50`,
	},
}

func TestScenarios(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			cl := cfg(sc.endpoints)
			cl.PassiveHealth = config.PassiveHealth{
				ConsecutiveFailures: 5, BaseEjection: 30 * time.Second, MaxEjection: 300 * time.Second,
				MaxEjectedPercent: 50,
			}
			if sc.endpoints == "" {
				cl.Consul.Service, cl.Consul.EmptyHold = "orders", 30*time.Second
			}
			if sc.edit != nil {
				sc.edit(&cl)
			}
			plain := play(t, cl, sc.steps, false)
			reloaded := play(t, cl, sc.steps, true)
			if cl.Balance == config.BalanceWRR && !slices.Equal(plain, reloaded) {
				t.Error("a reload in the middle of each step changed the sequence of picks")
			}
		})
	}
}

// play runs the steps and returns the sequence of picks.
func play(t *testing.T, cl config.Cluster, steps string, reload bool) (trace []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, set: NewSet(Options{}), behaves: map[string]string{}, turn: map[string]int{}}
		w.cluster = add(t, w.set, cl)
		ctx, cancel := context.WithCancel(t.Context())
		var run sync.WaitGroup
		run.Go(func() { w.set.Run(ctx) })
		<-time.After(5 * time.Millisecond) // so that no request meets a tick of Run
		for line := range strings.Lines(strings.TrimSpace(steps)) {
			w.step(strings.TrimSpace(line), reload)
		}
		w.hanging.Wait()
		cancel()
		run.Wait()
		if n := w.cluster.InFlight(); n != 0 {
			t.Errorf("%d leases left", n)
		}
		trace = w.trace
	})
	return trace
}

// world is what plays a scenario.
type world struct {
	t       *testing.T
	set     *Set
	cluster *Cluster
	behaves map[string]string
	turn    map[string]int // of those that fail half the time
	trace   []string
	hanging sync.WaitGroup

	mu     sync.Mutex // guards failed
	failed int
}

func (w *world) step(line string, reload bool) {
	w.t.Helper()
	do, want, _ := strings.Cut(line, "->")
	d, do, _ := strings.Cut(strings.TrimSpace(do), " ")
	length, err := time.ParseDuration(d)
	if err != nil {
		w.t.Fatal(err)
	}
	if list, ok := strings.CutPrefix(do, "consul"); ok {
		w.cluster.SetEndpoints(discovered(list))
	} else {
		for b := range strings.FieldsSeq(do) {
			name, how, _ := strings.Cut(b, "=")
			w.behaves[name] = how
		}
	}
	from := len(w.trace)
	w.mu.Lock()
	w.failed = 0
	w.mu.Unlock()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	n := int(length / (10 * time.Millisecond))
	for i := range n {
		if reload && i == n/2 {
			w.cluster = add(w.t, w.set, *w.cluster.Config())
		}
		w.request()
		<-tick.C
	}
	synctest.Wait()
	w.check(line, want, w.trace[from:])
}

// request is one request, its outcome as the endpoint behaves.
func (w *world) request() {
	e, err := w.cluster.Pick(nil)
	if err != nil {
		w.trace = append(w.trace, "none")
		w.fail()
		return
	}
	w.trace = append(w.trace, e.Address())
	switch w.behaves[e.Address()] {
	case "down":
		w.fail()
		e.Done(ConnectFailure)
	case "half":
		w.turn[e.Address()]++
		if w.turn[e.Address()]%2 == 0 {
			w.fail()
			e.Done(ServerError)
			return
		}
		e.Done(Success)
	case "hang":
		w.hanging.Go(func() {
			<-time.After(2*time.Second + time.Millisecond) // between two requests
			w.fail()
			e.Done(Timeout)
		})
	default:
		e.Done(Success)
	}
}

func (w *world) fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed++
}

func (w *world) check(line, want string, picked []string) {
	w.t.Helper()
	count := map[string]int{}
	for _, p := range picked {
		count[p]++
	}
	for x := range strings.FieldsSeq(want) {
		name, span, _ := strings.Cut(x, "=")
		var low, high float64
		if _, err := fmt.Sscanf(strings.Replace(span, "..", " ", 1), "%g %g", &low, &high); err != nil {
			w.t.Fatalf("%s: %v", x, err)
		}
		got := 100 * float64(count[name]) / float64(len(picked))
		if name == "failed" {
			w.mu.Lock()
			got = float64(w.failed)
			w.mu.Unlock()
		}
		if got < low || got > high {
			w.t.Errorf("%s\n  %s = %s, want %s (picked %v)", line, name, strconv.FormatFloat(got, 'f', 1, 64), span,
				count)
		}
	}
}
