package proxy

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func patient() *fault { return nil }

func (q *queue) state() (free, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free, q.waiting.Len()
}

// holds fails the test unless that many places are free and that many requests wait.
func (q *queue) holds(t *testing.T, free, waiting int) {
	t.Helper()
	if f, w := q.state(); f != free || w != waiting {
		t.Errorf("%d places are free and %d requests wait, want %d and %d", f, w, free, waiting)
	}
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Queue{Concurrency: 2, Timeout: time.Minute})
		for range 2 {
			if f := q.enter(t.Context(), patient); f != nil {
				t.Fatal(f)
			}
		}
		if q.tryEnter() {
			t.Error("a third request got in")
		}
		var order []int
		for i := range 5 {
			go func() {
				if f := q.enter(t.Context(), patient); f != nil {
					t.Errorf("request %d: %v", i, f)
				}
				order = append(order, i)
			}()
			synctest.Wait()
		}
		q.holds(t, 0, 5)
		for range 5 {
			q.leave()
			if q.tryEnter() {
				t.Error("somebody jumped the queue")
			}
			synctest.Wait()
		}
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("order = %v, want %v", order, want)
		}
		q.leave()
		q.leave()
		q.holds(t, 2, 0)
	})
}

func TestQueueGivesUp(t *testing.T) {
	type outcome struct {
		f    *fault
		took time.Duration
	}
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		most    int
		look    func(since time.Time) *fault
		cut     time.Duration // of the server
		want    outcome
	}{
		{name: "after the timeout", timeout: time.Second, most: 1, want: outcome{faultQueue, time.Second}},
		{name: "at once when nobody may wait", most: 0, want: outcome{faultQueue, 0}},
		{name: "when the client is gone", timeout: time.Minute, most: 1, look: func(since time.Time) *fault {
			if time.Since(since) >= 250*time.Millisecond {
				return faultGone
			}
			return nil
		}, want: outcome{faultGone, 300 * time.Millisecond}}, // it looks after 100, 200, 400, 500, 500 ms
		{name: "when the server cuts", timeout: time.Minute, most: 1, cut: time.Second, want: outcome{faultGone, time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue(Queue{Concurrency: 1, Timeout: tt.timeout})
				q.most = tt.most
				q.tryEnter()
				ctx := t.Context()
				if tt.cut > 0 {
					var done context.CancelFunc
					ctx, done = context.WithTimeout(ctx, tt.cut)
					defer done()
				}
				begun := time.Now()
				look := patient
				if tt.look != nil {
					look = func() *fault { return tt.look(begun) }
				}
				if got := (outcome{q.enter(ctx, look), time.Since(begun)}); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				q.holds(t, 0, 0)
				q.leave()
				q.holds(t, 1, 0)
			})
		})
	}
}

func TestQueueBound(t *testing.T) {
	for o, want := range map[Queue]int{
		{Concurrency: 1, Timeout: 1}: 1024, {Concurrency: 200, Timeout: 1}: 2000, {Concurrency: 1}: 0,
	} {
		if q := newQueue(o); q.most != want {
			t.Errorf("%+v: %d may wait, want %d", o, q.most, want)
		}
	}
	if newQueue(Queue{Cluster: "app", Timeout: time.Second}) != nil {
		t.Error("a queue without a limit is one")
	}
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(Queue{Concurrency: 1, Timeout: time.Second})
		var refused atomic.Int64
		for range 1 + 1024 + 7 {
			go func() {
				begun := time.Now()
				if f := q.enter(t.Context(), patient); f != nil && time.Since(begun) == 0 {
					refused.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := refused.Load(); n != 7 {
			t.Errorf("%d were refused at once, want 7", n)
		}
		q.holds(t, 0, 1024)
		<-time.After(time.Second) // of the bubble: all give up
		synctest.Wait()
		q.holds(t, 0, 0)
	})
}

// A place is never lost or made up, however entering, giving up and leaving fall together.
func TestQueueKeepsItsPlaces(t *testing.T) {
	const places = 3
	q := newQueue(Queue{Concurrency: places, Timeout: 50 * time.Microsecond})
	var inside, most, served atomic.Int64
	done := make(chan struct{})
	for range 16 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 500 {
				if q.enter(t.Context(), patient) != nil {
					continue
				}
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				served.Add(1)
				inside.Add(-1)
				q.leave()
			}
		}()
	}
	for range 16 {
		<-done
	}
	if m := most.Load(); m > places {
		t.Errorf("%d were inside at a time, want at most %d", m, places)
	}
	if served.Load() == 0 {
		t.Error("nobody was served")
	}
	q.holds(t, places, 0)
}
