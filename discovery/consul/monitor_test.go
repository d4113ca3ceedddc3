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
	begun := w.trouble
	w.mu.Unlock()
	end := time.NewTimer(max(o.wait, time.Nanosecond))
	defer end.Stop()
	for {
		w.mu.Lock()
		r, changed, deaf, lies := result[string]{value: w.value, index: w.index}, w.changed, w.deaf, w.lies
		broken := w.trouble
		if o.index > 0 && lies > 0 {
			w.lies = 0
		}
		w.mu.Unlock()
		switch {
		case begun == hanging || deaf && o.index > 0:
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

func (w *world) probe(ctx context.Context) error {
	w.mu.Lock()
	broken := w.trouble
	w.requests++
	w.mu.Unlock()
	switch broken {
	case refused:
		return faultf(telemetry.DiscoveryTransport, "refused")
	case hanging:
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
			reconnect: func() { f.set(func() { f.deaf = false }) },
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
						f.set(func() { f.trouble, f.deaf = trouble, trouble == hanging })
						<-time.After(outage)
						f.set(func() { f.trouble, f.value, f.index = healthy, "new", 20 })
						within := 2 * time.Second
						if trouble == hanging && outage < lookEvery+lookTimeout+2*time.Second {
							within = lookEvery + toldWithin + time.Second // nothing needs to have noticed
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
		{"a connection that died without a word", func(w *world) { w.deaf = true }},
		{"a restored store", func(w *world) { w.deaf = true; w.index = 5 }},
		{"another store at the same index", func(w *world) { w.deaf = true; w.index -= 10 }},
	} {
		t.Run(row.name, func(t *testing.T) {
			live(t, 3, func(t *testing.T, f *followers) {
				f.set(func() { f.deaf = true })
				f.set(func() { f.value, f.index = "new", 20; row.change(f.world) })
				f.all(t, "new", lookEvery+toldWithin+time.Second)
			})
		})
	}
	t.Run("an index of the future", func(t *testing.T) {
		live(t, 1, func(t *testing.T, f *followers) {
			f.set(func() { f.value, f.index, f.lies = "newer", 11, 1<<40 })
			f.all(t, "newer", time.Second)
			f.set(func() { f.value, f.index = "new", 12 })
			f.all(t, "new", lookEvery+toldWithin+time.Second)
		})
	})
}

// What it costs to look when nothing happens.
func TestLooksAreFew(t *testing.T) {
	for _, row := range []struct{ watches, most int }{{1, 7}, {3, 21}, {40, 27}} {
		live(t, row.watches, func(t *testing.T, f *followers) {
			_, before := f.counts()
			<-time.After(time.Minute)
			_, after := f.counts()
			if n := after - before; n > row.most || n < row.most/2 {
				t.Errorf("%d watches: %d looks a minute, want at most %d", row.watches, n, row.most)
			}
		})
	}
}

// A plain request that hangs while Consul responds to others is made again over another connection.
func TestOverdueRequest(t *testing.T) {
	live(t, 1, func(t *testing.T, f *followers) {
		f.set(func() { f.trouble, f.deaf = hanging, true })
		f.reconnectAll(t)
	})
}

func (f *followers) reconnectAll(t *testing.T) {
	t.Helper()
	<-time.After(15 * time.Second)
	f.set(func() { f.trouble, f.value, f.index = healthy, "new", 20 })
	f.all(t, "new", deadAfter+2*time.Second)
}

func TestVerdicts(t *testing.T) {
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
	if _, err := w.lookError(errors.New("reset")); err == nil {
		t.Error("an error of a look is lost")
	}
}
