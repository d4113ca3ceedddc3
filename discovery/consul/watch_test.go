package consul

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// step is what a scripted Consul does with one request.
type step struct {
	after time.Duration // how long it takes; longer than the deadline = it hangs
	say   result[string]
	err   error
}

func has(value string, index uint64) step {
	return step{say: result[string]{value: value, index: index}}
}

func nothing(index uint64) step {
	return step{say: result[string]{absent: true, index: index}}
}

func fails(class telemetry.DiscoveryClass) step { return step{err: faultf(class, "scripted")} }

func (s step) in(d time.Duration) step { s.after = d; return s }

// script is a fetch that plays steps, notes what it was asked and when, and when
// it has no more steps blocks and closes done.
type script struct {
	steps []step
	asked []string
	at    []time.Duration // since the first request
	begun time.Time
	done  chan struct{}
}

func (s *script) fetch(ctx context.Context, q fetchOptions) (result[string], error) {
	if len(s.steps) == 0 {
		close(s.done)
		<-ctx.Done()
		return result[string]{}, ctx.Err()
	}
	if s.begun.IsZero() {
		s.begun = time.Now()
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	s.asked = append(s.asked, asked(q))
	s.at = append(s.at, time.Since(s.begun))
	if err := sleep(ctx, next.after); err != nil {
		return result[string]{}, ctx.Err()
	}
	return next.say, next.err
}

func asked(q fetchOptions) string {
	whom := "leader"
	if q.stale {
		whom = "any"
	}
	return fmt.Sprintf("%d %s", q.index, whom)
}

// recorder notes what a watch does to its peers.
type recorder struct{ restarts, wakes int }

func (r *recorder) restartOthers(follower) { r.restarts++ }
func (r *recorder) wakeFailing()           { r.wakes++ }

// play runs a watch through a script; set may change the watch before it runs.
// It returns what was delivered, "-" for nothing being there.
func play(t *testing.T, s *script, set func(*watch[string])) (delivered []string, st discovery.Status) {
	t.Helper()
	s.done = make(chan struct{})
	w := &watch[string]{
		fetch: s.fetch,
		same:  func(a, b string) bool { return a == b },
		loses: func(from, to string) bool { return len(to) < len(from) },
		peers: &recorder{},
		woken: make(chan struct{}, 1),
		deliver: func(_ context.Context, a result[string]) {
			if a.absent {
				a.value = "-"
			}
			delivered = append(delivered, a.value)
		},
		wait:    2 * time.Minute,
		limiter: newLimiter(100, time.Millisecond),
		tracker: discovery.NewTracker(nil, "test"),
	}
	if set != nil {
		set(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.run(ctx) })
	<-s.done
	st = w.tracker.Status()
	cancel()
	running.Wait()
	return delivered, st
}

func TestWatch(t *testing.T) {
	const full = 2 * time.Minute
	for _, row := range []struct {
		name  string
		steps []step
		asked string // the questions, in order
		want  string // what was delivered
	}{
		{
			name:  "the first question goes to the leader, the next ones block at any server",
			steps: []step{has("a", 7), has("b", 9).in(time.Hour / 60), has("c", 11).in(time.Second)},
			asked: "0 leader, 7 any, 9 any",
			want:  "a b c",
		},
		{
			name:  "the same content under a new index is not delivered",
			steps: []step{has("a", 7), has("a", 9), has("b", 10)},
			asked: "0 leader, 7 any, 9 any",
			want:  "a b",
		},
		{
			name:  "a full wait without news keeps the index",
			steps: []step{has("a", 7), has("a", 7).in(full), has("b", 8)},
			asked: "0 leader, 7 any, 7 any",
			want:  "a b",
		},
		{
			name:  "the same index early means another store: ask from 0, and do not believe the answer",
			steps: []step{has("a", 7), has("old", 7).in(time.Second), has("b", 3), has("c", 4)},
			asked: "0 leader, 7 any, 0 leader, 3 any",
			want:  "a b c",
		},
		{
			name:  "a lower index is confirmed and followed",
			steps: []step{has("a", 70), has("blank", 5), has("b", 6), has("c", 8)},
			asked: "0 leader, 70 any, 0 leader, 6 any",
			want:  "a b c",
		},
		{
			name:  "index 0 is confirmed and counts as 1",
			steps: []step{has("a", 7), has("blank", 0), has("b", 0), has("c", 2)},
			asked: "0 leader, 7 any, 0 leader, 1 any",
			want:  "a b c",
		},
		{
			name:  "index 1 means that nothing is known, even after index 1",
			steps: []step{has("a", 1), has("a", 1), has("blank", 1).in(full), has("a", 1), has("b", 2)},
			asked: "0 leader, 0 leader, 1 any, 0 leader, 1 any",
			want:  "a b",
		},
		{
			name:  "an agent without a view says that there is nothing, with index 1, and cannot confirm it",
			steps: []step{has("a", 28), nothing(1), fails(telemetry.DiscoveryServer), has("a", 30), has("b", 31)},
			asked: "0 leader, 28 any, 0 leader, 0 leader, 30 any",
			want:  "a b",
		},
		{
			name:  "what is gone is confirmed once",
			steps: []step{has("a", 7), nothing(8), nothing(8), nothing(9), nothing(10), has("b", 12)},
			asked: "0 leader, 7 any, 0 leader, 8 any, 9 any, 10 any",
			want:  "a - b",
		},
		{
			name:  "what seems gone and is not",
			steps: []step{has("a", 7), nothing(8), has("a", 8), has("b", 9)},
			asked: "0 leader, 7 any, 0 leader, 8 any",
			want:  "a b",
		},
		{
			name:  "nothing at the start is confirmed and delivered",
			steps: []step{nothing(5), nothing(5), has("a", 6)},
			asked: "0 leader, 0 leader, 5 any",
			want:  "- a",
		},
		{
			name:  "other content at the same index is confirmed",
			steps: []step{has("a", 7), has("b", 7).in(full), has("c", 7), has("d", 8)},
			asked: "0 leader, 7 any, 0 leader, 7 any",
			want:  "a c d",
		},
		{
			name:  "much less is confirmed",
			steps: []step{has("aaaa", 7), has("a", 8), has("aaa", 8), has("a", 9), has("a", 9), has("b", 10)},
			asked: "0 leader, 7 any, 0 leader, 8 any, 0 leader, 9 any",
			want:  "aaaa aaa a b",
		},
		{
			name:  "much less needs no confirmation if the leader says it",
			steps: []step{has("aaaa", 7), fails(telemetry.DiscoveryServer), has("a", 8), has("b", 9)},
			asked: "0 leader, 7 any, 0 leader, 8 any",
			want:  "aaaa a b",
		},
		{
			name: "an error takes nothing away, and the index with it",
			steps: []step{has("a", 7), fails(telemetry.DiscoveryACL), fails(telemetry.DiscoveryTransport), has("a", 7),
				has("b", 8)},
			asked: "0 leader, 7 any, 0 leader, 0 leader, 7 any",
			want:  "a b",
		},
		{
			name:  "an agent that hangs is given up",
			steps: []step{has("a", 7), has("b", 8).in(time.Hour), has("c", 9)},
			asked: "0 leader, 7 any, 0 leader",
			want:  "a c",
		},
		{
			name:  "the leader is asked every five minutes, also if nothing happens",
			steps: []step{has("a", 7), has("a", 7).in(full), has("a", 7).in(full), has("a", 7).in(full), has("b", 8)},
			asked: "0 leader, 7 any, 7 any, 7 any, 0 leader",
			want:  "a b",
		},
		{
			name:  "and also if much happens",
			steps: []step{has("a", 7), has("b", 8).in(full), has("c", 9).in(full), has("d", 10).in(full), has("e", 11)},
			asked: "0 leader, 7 any, 8 any, 9 any, 0 leader",
			want:  "a b c d e",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: row.steps}
				delivered, _ := play(t, s, nil)
				if got := strings.Join(s.asked, ", "); got != row.asked {
					t.Errorf("asked\n     %s\nwant %s", got, row.asked)
				}
				if got := strings.Join(delivered, " "); got != row.want {
					t.Errorf("delivered %q, want %q", got, row.want)
				}
			})
		})
	}
}

// What an agent says from a view of its own is confirmed where it may be older than the leader's word. While the two
// contradict each other, or one loss follows the other, the leader is queried.
func TestWatchOfAView(t *testing.T) {
	for _, row := range []struct {
		name  string
		steps []step
		asked string
		want  string
	}{
		{
			name: "the first response, at once, with other content",
			steps: []step{has("new", 30), has("old", 82), has("new", 30), has("new", 30).in(plainFor),
				has("more", 31).in(2 * prompt), has("the end", 32)},
			asked: "0 leader, 30 any, 0 leader, 0 leader, 30 any, 31 any",
			want:  "new more the end",
		},
		{
			name:  "the first response, at once, with the same content",
			steps: []step{has("new", 30), has("new", 31), has("more", 32), has("the end", 33)},
			asked: "0 leader, 30 any, 31 any, 32 any",
			want:  "new more the end",
		},
		{
			name:  "a later one",
			steps: []step{has("new", 30), has("newer", 31).in(prompt), has("the end", 32)},
			asked: "0 leader, 30 any, 31 any",
			want:  "new newer the end",
		},
		{
			name:  "the leader agrees",
			steps: []step{has("a", 30), has("b", 31), has("b", 31), has("c", 32).in(prompt)},
			asked: "0 leader, 30 any, 0 leader, 31 any",
			want:  "a b c",
		},
		{
			name: "one loss after the other",
			steps: []step{
				has("aaa", 30), has("aa", 31).in(prompt), has("aa", 31), has("a", 32).in(prompt), has("a", 32),
				has("aaaa", 33).in(plainFor), has("the end", 34).in(prompt),
			},
			asked: "0 leader, 30 any, 0 leader, 31 any, 0 leader, 0 leader, 33 any",
			want:  "aaa aa a aaaa the end",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: row.steps}
				delivered, _ := play(t, s, func(w *watch[string]) { w.streamed = true })
				if got := strings.Join(s.asked, ", "); got != row.asked {
					t.Errorf("asked\n     %s\nwant %s", got, row.asked)
				}
				if got := strings.Join(delivered, " "); got != row.want {
					t.Errorf("delivered %q, want %q", got, row.want)
				}
			})
		})
	}
}

// A result over the limit is not fetched again soon, whatever the others do.
func TestWatchRemembersWhatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{{err: errTooLarge}, {err: errTooLarge}, has("a", 7)}}
		play(t, s, func(w *watch[string]) {
			time.AfterFunc(time.Minute, func() {
				m := &monitor{followers: map[follower]*followed{}}
				defer m.enlist(w)()
				m.wakeFailing()
				m.wakeOne()
				if m.failing() {
					t.Error("it is probed for")
				}
			})
		})
		for i := 1; i < len(s.at); i++ {
			if got := s.at[i] - s.at[i-1]; got < largeAgain/2 {
				t.Errorf("request %d came after %v, want at least %v", i, got, largeAgain/2)
			}
		}
	})
}

// A store that was replaced is one for all watches, and so is the end of an outage.
func TestWatchTellsItsPeers(t *testing.T) {
	for _, row := range []struct {
		name  string
		steps []step
		want  recorder
	}{
		{"a lower index", []step{has("a", 70), has("b", 5), has("b", 5)}, recorder{restarts: 1}},
		{"a lower index that the leader does not confirm", []step{has("a", 70), has("b", 5), has("b", 71)}, recorder{}},
		{"the same index early", []step{has("a", 70), has("a", 70)}, recorder{restarts: 1}},
		{"the end of an outage", []step{has("a", 70), fails(telemetry.DiscoveryACL), has("a", 70)}, recorder{wakes: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got recorder
				play(t, &script{steps: row.steps}, func(w *watch[string]) { w.peers = &got })
				if got != row.want {
					t.Errorf("%+v, want %+v", got, row.want)
				}
			})
		})
	}
}

func TestWatchDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{has("a", 7), has("b", 8).in(time.Hour), has("b", 8).in(time.Hour), has("b", 8)}}
		play(t, s, nil)
		blocking := 2*time.Minute*17/16 + 10*time.Second
		if got := s.at[2] - s.at[1]; got < blocking || got > blocking+retryFirst {
			t.Errorf("a blocking request was given up after %v, want %v", got, blocking)
		}
		if got := s.at[3] - s.at[2]; got < plainTimeout || got > plainTimeout+2*retryFirst {
			t.Errorf("a plain request was given up after %v, want %v", got, plainTimeout)
		}
	})
}

// A result of several responses may take as long for each: a large document over a slow link is not given up.
func TestWatchDeadlineOfEachResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			parts []time.Duration
			in    time.Duration // given up or done
			whole bool
		}{
			{[]time.Duration{5 * time.Second, 10 * time.Second, 11 * time.Second}, 26 * time.Second, true},
			{[]time.Duration{7 * time.Second, time.Second}, 6 * time.Second, false},
			{[]time.Duration{time.Second, 13 * time.Second}, 13 * time.Second, false},
		} {
			w := &watch[string]{fetch: func(ctx context.Context, o fetchOptions) (r result[string], err error) {
				for i, took := range row.parts {
					if i > 0 {
						o.more()
					}
					if err = sleep(ctx, took); err != nil {
						return r, err
					}
				}
				return r, nil
			}}
			begun := time.Now()
			_, err := w.fetchWithin(t.Context(), fetchOptions{}, 6*time.Second)
			if took := time.Since(begun); took != row.in || (err == nil) != row.whole {
				t.Errorf("parts of %v: %v after %v, want the end after %v", row.parts, err, took, row.in)
			}
		}
	})
}

func TestWatchBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: slices.Repeat([]step{fails(telemetry.DiscoveryTransport)}, 12)}
		_, st := play(t, s, nil)
		for i := 1; i < len(s.at); i++ {
			got, most := s.at[i]-s.at[i-1], backoff(telemetry.DiscoveryTransport, i)
			if got < most/2 || got > most {
				t.Errorf("after error %d it waited %v, want %v to %v", i, got, most/2, most)
			}
		}
		if st.Failing != 12 || st.Errors != 12 || st.Class != "transport" || st.Error != "scripted" ||
			!st.LastOK.IsZero() {
			t.Errorf("status %+v, want 12 transport errors", st)
		}
	})
}

func TestWatchStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{has("a", 7), nothing(8).in(time.Second), nothing(9), fails(telemetry.DiscoveryLimit),
			nothing(9)}}
		_, st := play(t, s, nil)
		if st.Failing != 0 || st.Error != "" || st.Class != "" || st.Errors != 1 || st.Index != 9 ||
			st.Wakeups != 1 || st.Confirmations != 1 || st.LastOK.IsZero() {
			t.Errorf("status %+v, want a recovered watch with 1 wakeup and 1 confirmation", st)
		}
	})
}

// changes is a service that changes as soon as it is asked.
func changes(n int, bytes int64) []step {
	steps := make([]step, n)
	for i := range steps {
		steps[i] = has(fmt.Sprint("v", i), uint64(10+i))
		steps[i].say.bytes = bytes
	}
	return steps
}

func TestWatchPace(t *testing.T) {
	health := func(w *watch[string]) {
		w.limiter, w.paced = newLimiter(healthBurst, healthEvery), healthEvery
	}
	document := func(w *watch[string]) { w.limiter = newLimiter(documentBurst, documentEvery) }
	for _, row := range []struct {
		name  string
		set   func(*watch[string])
		bytes int64
		n     int           // which request
		want  time.Duration // when it begins, at the earliest and within a tick
	}{
		{"health: the first change at once", health, 0, 1, 0},
		{"health: then one a second", health, 0, 2, time.Second},
		{"health: and so on", health, 0, 5, 4 * time.Second},
		{"health: a large service within 2 s", health, 7 << 19, 5, 5750 * time.Millisecond},
		{"health: a very large one within 4 s", health, 16 << 20, 2, 3 * time.Second},
		{"health: never slower than once in 15 s", health, 1 << 30, 3, 30 * time.Second},
		{"health: churn of a small service goes on once a second", health, 0, 60, 59 * time.Second},
		{"document: ten at once", document, 0, 9, 0},
		{"document: then five a second", document, 0, 14, time.Second},
		{"document: never slower", document, 1 << 20, 59, 10 * time.Second},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: changes(row.n+1, row.bytes)}
				play(t, s, row.set)
				if got := s.at[row.n].Round(time.Millisecond); got != row.want {
					t.Errorf("request %d began after %v, want %v; all: %v", row.n, got, row.want, s.at)
				}
			})
		})
	}
}

func TestWatchAfterRestIsPromptAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := append(changes(40, 0), has("rest", 900).in(time.Minute))
		steps = append(steps, has("x", 901), has("y", 902), has("z", 903), has("end", 904))
		s := &script{steps: steps}
		play(t, s, func(w *watch[string]) {
			w.limiter, w.paced = newLimiter(healthBurst, healthEvery), healthEvery
		})
		n := len(s.at) - 4
		if got := s.at[n] - s.at[n-1]; got != time.Minute {
			t.Errorf("the request after a quiet minute waited %v, want none", got-time.Minute)
		}
		for ; n < len(s.at)-1; n++ {
			if got := s.at[n+1] - s.at[n]; got > time.Second {
				t.Errorf("a later one waited %v, want at most 1s", got)
			}
		}
	})
}

func TestWatchPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{has("a", 7), has("a", 7), nothing(8), has("a", 8), has("b", 9)}}
		delivered, _ := play(t, s, func(w *watch[string]) { w.polls = true })
		if got, want := strings.Join(s.asked, ", "), "0 leader, 0 any, 0 any, 0 leader, 0 any"; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		if got := strings.Join(delivered, " "); got != "a b" {
			t.Errorf("delivered %q, want a b", got)
		}
		for _, i := range []int{1, 2, 4} {
			if got := s.at[i] - s.at[i-1]; got < pollEvery/2 || got > pollEvery {
				t.Errorf("poll %d came %v after the one before, want %v to %v", i, got, pollEvery/2, pollEvery)
			}
		}
	})
}

func TestWatchLook(t *testing.T) {
	for _, row := range []struct {
		redeliver bool
		want      string
	}{{false, "a"}, {true, "a a"}} {
		t.Run(fmt.Sprint("redeliver=", row.redeliver), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{steps: []step{has("a", 7), has("never", 8).in(time.Minute), has("a", 9)}}
				delivered, st := play(t, s, func(w *watch[string]) {
					time.AfterFunc(time.Second, func() { w.restart(row.redeliver, false) })
				})
				if got, want := strings.Join(s.asked, ", "), "0 leader, 7 any, 0 leader"; got != want {
					t.Errorf("asked %s, want %s", got, want)
				}
				if got := strings.Join(delivered, " "); got != row.want {
					t.Errorf("delivered %q, want %q", got, row.want)
				}
				if s.at[2] != time.Second || st.Errors != 0 {
					t.Errorf("looked again after %v with %d errors, want at once with none", s.at[2], st.Errors)
				}
			})
		})
	}
}

func TestWatchLookEndsBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{fails(telemetry.DiscoveryACL), has("a", 7)}}
		play(t, s, func(w *watch[string]) {
			time.AfterFunc(100*time.Millisecond, func() { w.restart(false, false) })
		})
		if s.at[1] != 100*time.Millisecond {
			t.Errorf("asked again after %v, want 100ms", s.at[1])
		}
	})
}

func TestWatchDeliversWhatLookInterrupts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{steps: []step{has("a", 7), has("a", 7)}}
		var delivered []string
		play(t, s, func(w *watch[string]) {
			w.deliver = func(ctx context.Context, a result[string]) {
				w.restart(false, false)
				if sleep(ctx, time.Second) == nil { // the receiver is busy
					delivered = append(delivered, a.value)
				}
			}
		})
		if len(delivered) != 1 {
			t.Errorf("delivered %v, want a once", delivered)
		}
	})
}

func TestBackoff(t *testing.T) {
	for _, row := range []struct {
		class telemetry.DiscoveryClass
		fails int
		want  time.Duration
	}{
		{telemetry.DiscoveryTransport, 1, 250 * time.Millisecond},
		{telemetry.DiscoveryTransport, 2, 500 * time.Millisecond},
		{telemetry.DiscoveryServer, 7, 15 * time.Second},
		{telemetry.DiscoveryServer, 1 << 30, 15 * time.Second},
		{telemetry.DiscoveryLimit, 1, 2 * time.Second},
		{telemetry.DiscoveryLimit, 30, 2 * time.Second},
		{telemetry.DiscoveryLimit, 40, 15 * time.Second},
		{telemetry.DiscoveryACL, 1, 2 * time.Second},
		{telemetry.DiscoveryACL, 30, 2 * time.Second},
		{telemetry.DiscoveryACL, 40, 60 * time.Second},
	} {
		if got := backoff(row.class, row.fails); got != row.want {
			t.Errorf("backoff(%v, %d) = %v, want %v", row.class, row.fails, got, row.want)
		}
	}
}

func TestClassOf(t *testing.T) {
	for _, row := range []struct {
		err  error
		want telemetry.DiscoveryClass
	}{
		{errors.New("dial"), telemetry.DiscoveryTransport},
		{fmt.Errorf("x: %w", errFiltered), telemetry.DiscoveryACL},
		{statusFault(403, nil, "rpc error: Permission denied"), telemetry.DiscoveryACL},
		{statusFault(500, nil, "rpc error making call: Permission denied"), telemetry.DiscoveryACL},
		{statusFault(429, nil, "Your IP is issuing too many concurrent connections"), telemetry.DiscoveryLimit},
		{statusFault(500, nil, "No cluster leader"), telemetry.DiscoveryServer},
		{statusFault(500, nil, "Failed to create boolean expression evaluator: x"), telemetry.DiscoveryQuery},
		{statusFault(400, nil, "Failed to create boolean expression evaluator: x"), telemetry.DiscoveryQuery},
		{statusFault(503, nil, ""), telemetry.DiscoveryServer},
	} {
		if got := classOf(row.err); got != row.want {
			t.Errorf("classOf(%v) = %v, want %v", row.err, got, row.want)
		}
	}
}

func TestLimiterInterruptedTakesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newLimiter(1, time.Minute)
		if err := b.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := b.Wait(ctx); err == nil {
			t.Error("a second token within a second")
		}
		if err := b.Wait(t.Context()); err != nil || time.Since(start) != time.Minute {
			t.Errorf("the next token came after %v (%v), want 1m", time.Since(start), err)
		}
	})
}
