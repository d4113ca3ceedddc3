package cluster

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func patient() error { return nil }

var errGone = errors.New("client gone")

func (q *Queue) state() (free, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.free, q.waiting.Len()
}

// holds fails the test unless that many places are free and that many requests wait.
func (q *Queue) holds(t *testing.T, free, waiting int) {
	t.Helper()
	if f, w := q.state(); f != free || w != waiting {
		t.Errorf("%d places are free and %d requests wait, want %d and %d", f, w, free, waiting)
	}
}

func TestQueueIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueOptions{Concurrency: 2, Timeout: time.Minute})
		for range 2 {
			if err := q.Enter(t.Context(), patient); err != nil {
				t.Fatal(err)
			}
		}
		if q.TryEnter() {
			t.Error("a third request got in")
		}
		var order []int
		for i := range 5 {
			go func() {
				if err := q.Enter(t.Context(), patient); err != nil {
					t.Errorf("request %d: %v", i, err)
				}
				order = append(order, i)
			}()
			synctest.Wait()
		}
		q.holds(t, 0, 5)
		for range 5 {
			q.Leave()
			if q.TryEnter() {
				t.Error("somebody jumped the queue")
			}
			synctest.Wait()
		}
		if want := []int{0, 1, 2, 3, 4}; !slices.Equal(order, want) {
			t.Errorf("order = %v, want %v", order, want)
		}
		q.Leave()
		q.Leave()
		q.holds(t, 2, 0)
	})
}

func TestQueueGivesUp(t *testing.T) {
	type outcome struct {
		err  error
		took time.Duration
	}
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		most    int
		poll    func(since time.Time) error
		cut     time.Duration // of the server
		want    outcome
	}{
		{name: "after the timeout", timeout: time.Second, most: 1, want: outcome{ErrOverflow, time.Second}},
		{name: "at once when nobody may wait", most: 0, want: outcome{ErrOverflow, 0}},
		{name: "when the client is gone", timeout: time.Minute, most: 1, poll: func(since time.Time) error {
			if time.Since(since) >= 250*time.Millisecond {
				return errGone
			}
			return nil
		}, want: outcome{errGone, 300 * time.Millisecond}}, // it polls after 100, 200, 400, 500, 500 ms
		{name: "when the server cuts", timeout: time.Minute, most: 1, cut: time.Second,
			want: outcome{context.DeadlineExceeded, time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := NewQueue(QueueOptions{Concurrency: 1, Timeout: tt.timeout})
				q.maxWaiting = tt.most
				q.TryEnter()
				ctx := t.Context()
				if tt.cut > 0 {
					var done context.CancelFunc
					ctx, done = context.WithTimeout(ctx, tt.cut)
					defer done()
				}
				begun := time.Now()
				poll := patient
				if tt.poll != nil {
					poll = func() error { return tt.poll(begun) }
				}
				if got := (outcome{q.Enter(ctx, poll), time.Since(begun)}); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
				q.holds(t, 0, 0)
				q.Leave()
				q.holds(t, 1, 0)
			})
		})
	}
}

func TestQueueBound(t *testing.T) {
	for o, want := range map[QueueOptions]int{
		{Concurrency: 1, Timeout: 1}: 1024, {Concurrency: 200, Timeout: 1}: 2000, {Concurrency: 1}: 0,
	} {
		if q := NewQueue(o); q.maxWaiting != want {
			t.Errorf("%+v: %d may wait, want %d", o, q.maxWaiting, want)
		}
	}
	if NewQueue(QueueOptions{Timeout: time.Second}) != nil {
		t.Error("a queue without a limit is one")
	}
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueOptions{Concurrency: 1, Timeout: time.Second})
		var refused atomic.Int64
		for range 1 + 1024 + 7 {
			go func() {
				begun := time.Now()
				if err := q.Enter(t.Context(), patient); err != nil && time.Since(begun) == 0 {
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

// However long a request waits, its client is polled at a steady pace: a doubling interval must neither overflow nor
// grow beyond its bound.
func TestQueuePollsAtASteadyPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(QueueOptions{Concurrency: 1, Timeout: time.Hour})
		q.TryEnter()
		var polls []time.Duration
		begun := time.Now()
		err := q.Enter(t.Context(), func() error {
			polls = append(polls, time.Since(begun))
			if len(polls) > 10_000 {
				return errGone
			}
			return nil
		})
		if !errors.Is(err, ErrOverflow) || time.Since(begun) != time.Hour {
			t.Errorf("the wait ended after %v and %d polls: %v", time.Since(begun), len(polls), err)
		}
		want := []time.Duration{100, 300, 700, 1200, 1700} // ms
		for i := range want {
			want[i] *= time.Millisecond
		}
		if !slices.Equal(polls[:len(want)], want) {
			t.Errorf("the first polls came after %v, want %v", polls[:len(want)], want)
		}
		if n, most := len(polls), 3+int(time.Hour/MaxPoll); n > most {
			t.Errorf("%d polls in an hour, want at most %d", n, most)
		}
	})
}

// A place is never lost or made up, however entering, giving up and leaving fall together.
func TestQueueKeepsItsPlaces(t *testing.T) {
	const places = 3
	q := NewQueue(QueueOptions{Concurrency: places, Timeout: 50 * time.Microsecond})
	var inside, most, served atomic.Int64
	done := make(chan struct{})
	for range 16 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 500 {
				if q.Enter(t.Context(), patient) != nil {
					continue
				}
				n := inside.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				served.Add(1)
				inside.Add(-1)
				q.Leave()
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
