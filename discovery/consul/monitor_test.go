package consul

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// trouble is how a world fails its requests.
type trouble uint8

const (
	healthy trouble = iota
	refused         // an error at once
	hanging         // no response, not even after the end of it
	denied          // 403
)

func (t trouble) String() string { return [...]string{"healthy", "refused", "hanging", "denied"}[t] }

// world is a Consul of one value, with its faults.
type world struct {
	mu       sync.Mutex
	value    string
	index    uint64
	lies     uint64 // the index that blocking requests are told once; 0 = the true one
	trouble  trouble
	deaf     bool // requests that are parked hear of nothing
	dead     bool // nor does any other on the connections there are
	mute     bool // no request is answered, but for probes
	changed  chan struct{}
	requests int
	plain    int
}

func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) fetch(ctx context.Context, o fetchOptions) (result[string], error) {
	w.mu.Lock()
	w.requests++
	if o.index == 0 {
		w.plain++
	}
	begun, mute := w.trouble, w.mute
	w.mu.Unlock()
	end := time.NewTimer(max(o.wait, time.Nanosecond))
	defer end.Stop()
	for {
		w.mu.Lock()
		r, changed, lies := result[string]{value: w.value, index: w.index}, w.changed, w.lies
		deaf := w.deaf || w.dead
		broken := w.trouble
		if o.index > 0 && lies > 0 {
			w.lies = 0
		}
		w.mu.Unlock()
		switch {
		case begun == hanging || mute || deaf && o.index > 0:
			<-ctx.Done()
			return result[string]{}, &fault{telemetry.DiscoveryTransport, ctx.Err()}
		case broken == refused:
			return result[string]{}, faultf(telemetry.DiscoveryTransport, "refused")
		case broken == denied:
			return result[string]{}, faultf(telemetry.DiscoveryACL, "denied")
		case o.index > 0 && lies > 0:
			r.index = lies
			return r, nil
		case o.index == 0 || r.index > o.index:
			return r, nil
		}
		select {
		case <-changed:
		case <-end.C:
			return r, nil
		case <-ctx.Done():
			return result[string]{}, &fault{telemetry.DiscoveryTransport, ctx.Err()}
		}
	}
}

// counts are the requests so far, and the plain ones of the watches among them.
func (w *world) counts() (requests, plain int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests, w.plain
}

func (w *world) probe(ctx context.Context, fresh bool) error {
	w.mu.Lock()
	broken, dead := w.trouble, w.dead && !fresh
	w.requests++
	w.mu.Unlock()
	switch {
	case broken == refused:
		return faultf(telemetry.DiscoveryTransport, "refused")
	case broken == hanging || dead:
		<-ctx.Done()
		return faultf(telemetry.DiscoveryTransport, "hangs")
	}
	return nil
}

// followers are some watches of a world with their monitor.
type followers struct {
	*world
	heard []chan string // what each watch delivers
}

// live runs what a test does to n watches of a world.
func live(t *testing.T, n int, test func(t *testing.T, f *followers)) {
	synctest.Test(t, func(t *testing.T) {
		f := &followers{world: &world{value: "old", index: 10, changed: make(chan struct{})}}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		m := &monitor{
			probe: f.probe, followers: map[follower]*followed{},
			reconnect: func() { f.set(func() { f.deaf, f.dead = false, false }) },
		}
		for range n {
			heard := make(chan string, 100)
			f.heard = append(f.heard, heard)
			w := &watch[string]{
				fetch: f.fetch, same: func(a, b string) bool { return a == b }, peers: m, wait: 2 * time.Minute,
				deliver: func(_ context.Context, r result[string]) { heard <- r.value },
				limiter: newLimiter(healthBurst, healthEvery), tracker: discovery.NewTracker(nil, "test"),
				woken: make(chan struct{}, 1),
			}
			defer m.enlist(w)()
			running.Go(func() { w.run(ctx) })
		}
		running.Go(func() { m.run(ctx) })
		f.all(t, "old", time.Second)
		<-time.After(time.Minute)
		test(t, f)
		cancel()
		running.Wait()
	})
}

// all asks that each watch delivers a value within a time, and says how long the last one took.
func (f *followers) all(t *testing.T, want string, within time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	end := time.NewTimer(within)
	defer end.Stop()
	for i, heard := range f.heard {
		for got := ""; got != want; {
			select {
			case got = <-heard:
			case <-end.C:
				t.Fatalf("watch %d has not delivered %q within %v", i, want, within)
			}
		}
	}
	return time.Since(start)
}

// What was written while Consul was away is delivered within two seconds of its return, whatever it
// was that kept it away, and however long.
func TestTruthAfterAnOutage(t *testing.T) {
	for _, trouble := range []trouble{refused, hanging, denied} {
		for _, outage := range []time.Duration{time.Second, 5 * time.Second, 12 * time.Second, 40 * time.Second} {
			t.Run(fmt.Sprint(trouble, " for ", outage), func(t *testing.T) {
				for range 20 { // each with other pauses
					live(t, 3, func(t *testing.T, f *followers) {
						f.set(func() { f.trouble, f.dead = trouble, trouble == hanging })
						<-time.After(outage)
						f.set(func() { f.trouble, f.value, f.index = healthy, "new", 20 })
						within := 2 * time.Second
						if trouble == hanging && outage < beatEvery+probeEvery {
							within = beatEvery + probeEvery + overdue + time.Second // nothing needs to have noticed
						}
						f.all(t, "new", within)
					})
				}
			})
		}
	}
}

// While Consul is away it is probed once a second or so, not once for each watch.
func TestRequestsDuringAnOutage(t *testing.T) {
	live(t, 20, func(t *testing.T, f *followers) {
		f.set(func() { f.trouble = refused })
		<-time.After(time.Minute) // every watch pauses for long
		before, _ := f.counts()
		<-time.After(time.Minute)
		after, _ := f.counts()
		if n := after - before; n < 60 || n > 60*2+20*8 {
			t.Errorf("%d requests in a minute, want a probe a second and the few of the watches", n)
		}
	})
}

// Parked requests that hear of nothing: the monitor looks for itself.
func TestTruthWithoutNews(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world)
	}{
		{"one endpoint that lost its requests", func(w *world) { w.deaf = true }},
		{"a restored store", func(w *world) { w.deaf = true; w.index = 5 }},
		{"another store at the same index", func(w *world) { w.deaf = true; w.index -= 10 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			live(t, 3, func(t *testing.T, f *followers) {
				f.set(func() { f.deaf = true })
				f.set(func() { f.value, f.index = "new", 20; row.change(f.world) })
				f.all(t, "new", compareEvery+toldWithin+time.Second)
			})
		})
	}
	t.Run("connections that died without a word", func(t *testing.T) {
		for range 20 {
			live(t, 3, func(t *testing.T, f *followers) {
				f.set(func() { f.dead, f.value, f.index = true, "new", 20 })
				f.all(t, "new", beatEvery+probeEvery+overdue+time.Second)
			})
		}
	})
	t.Run("an index of the future", func(t *testing.T) {
		live(t, 1, func(t *testing.T, f *followers) {
			f.set(func() { f.value, f.index, f.lies = "newer", 11, 1<<40 })
			f.all(t, "newer", time.Second)
			f.set(func() { f.value, f.index = "new", 12 })
			f.all(t, "new", compareEvery+toldWithin+time.Second)
		})
	})
}

// What it costs when nothing happens: some 25 small requests a minute, and a look each 10 s at each watch.
func TestRequestsWhileIdle(t *testing.T) {
	for _, row := range []struct{ watches, least, most int }{{1, 25, 37}, {3, 35, 49}, {40, 240, 300}} {
		live(t, row.watches, func(t *testing.T, f *followers) {
			before, _ := f.counts()
			<-time.After(time.Minute)
			after, _ := f.counts()
			if n := after - before - row.watches/2; n > row.most || n < row.least {
				t.Errorf("%d watches: %d requests a minute, want %d to %d", row.watches, n, row.least, row.most)
			}
		})
	}
}

// One endpoint hangs, for the watches that query it alone: each of them is served within two seconds of its return.
func TestTruthAfterOneEndpointHung(t *testing.T) {
	for range 20 {
		live(t, 12, func(t *testing.T, f *followers) {
			f.set(func() { f.mute, f.deaf = true, true })
			<-time.After(compareEvery + 2*compareTimeout + probeEvery) // comparisons find it out
			f.set(func() { f.mute, f.value, f.index = false, "new", 20 })
			f.all(t, "new", 2*time.Second)
		})
	}
}

// A watch that polls, or whose receiver is busy, waits for no response.
func TestPollsAreNotOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &watch[string]{
			fetch: func(context.Context, fetchOptions) (result[string], error) {
				return result[string]{value: "a", index: 7}, nil
			},
			same: func(a, b string) bool { return a == b }, polls: true, limiter: newLimiter(healthBurst, healthEvery),
			deliver: func(context.Context, result[string]) { <-time.After(3 * time.Second) },
			tracker: discovery.NewTracker(nil, "test"), woken: make(chan struct{}, 1),
		}
		m := &monitor{followers: map[follower]*followed{}}
		defer m.enlist(w)()
		var running sync.WaitGroup
		running.Go(func() { w.run(ctx) })
		for range 20 {
			<-time.After(time.Second)
			if m.failing() {
				t.Errorf("failing: %+v", w.status())
				break
			}
		}
		cancel()
		running.Wait()
	})
}

// A plain request that hangs while Consul responds to others is made again over another connection.
func TestOverdueRequest(t *testing.T) {
	live(t, 1, func(t *testing.T, f *followers) {
		f.set(func() { f.trouble, f.dead = hanging, true })
		f.reconnectAll(t)
	})
}

func (f *followers) reconnectAll(t *testing.T) {
	t.Helper()
	<-time.After(15 * time.Second)
	f.set(func() { f.trouble, f.value, f.index = healthy, "new", 20 })
	f.all(t, "new", deadAfter+2*time.Second)
}

func TestFindings(t *testing.T) {
	w := &watch[string]{same: func(a, b string) bool { return a == b }}
	w.note(result[string]{value: "a", index: 7})
	for _, row := range []struct {
		r    result[string]
		want bool
	}{
		{result[string]{value: "a", index: 7}, false},
		{result[string]{value: "a", index: 9}, false},
		{result[string]{value: "b", index: 7}, true},
		{result[string]{value: "a", index: 6}, true},
		{result[string]{absent: true, index: 7}, true},
	} {
		if got := w.differs(w.snapshot(), row.r); got != row.want {
			t.Errorf("%+v differs: %v, want %v", row.r, got, row.want)
		}
	}
	if got := w.compareError(errors.New("reset")); got != findingFailed || !w.again {
		t.Errorf("after an error of a look: %v, restarted %v; want a failure, and the watch to find out", got, w.again)
	}
}
