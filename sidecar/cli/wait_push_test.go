package cli

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

// Gateways that wait for their turns are waited for, and it is told until when.
func testWaitingForTurns(t *testing.T, a *author) {
	at := time.Date(2026, 11, 29, 18, 21, 13, 0, time.UTC)
	waits := consul.Verdict{Rev: slow, State: discovery.RevisionWaiting, Since: at, Until: at,
		Reasons: []string{"waits for its turn"}, Version: "v1.2.3"}
	one, two := a.gateway("one"), a.gateway("two")
	one.says("", "waiting")
	two.says("", "waiting")
	got := a.pushing(slow, func() {
		one.verdict(waits)
		waits.Until = at.Add(time.Second)
		two.verdict(waits)
	}, "push", "slow.yaml", "--wait", "2s")
	const wait = "2 wait (until 2026-11-29T18:21:14Z)\n"
	want := "gateway: 2 of 2 gateways said nothing final of " + slow + " within 2s: one, two; their turns come until " +
		"2026-11-29T18:21:14Z (GATEWAY_SPREAD)\n"
	if got.code != 3 || strings.Count(got.stdout, " waits for its turn\n") != 1 ||
		!strings.Contains(got.stdout, wait) || got.stderr != want {
		t.Errorf("push: %+v", got)
	}
	if got := a.do("fleet"); !strings.HasPrefix(got.stdout, "live "+slow+" (*): "+wait) ||
		!strings.Contains(got.stdout, "\n    waits for its turn\n    until 2026-11-29T18:21:13Z\n") {
		t.Errorf("fleet: %+v", got)
	}
}

// How long the probation lasts is told, and it is waited for where that is wanted.
func testWaitingForProbation(t *testing.T, a *author) {
	one := a.gateway("one")
	one.says("", "waiting")
	serves := func(rev string, probation time.Duration) func() {
		return func() {
			now := time.Now()
			one.verdict(consul.Verdict{Rev: rev, State: "applied", Since: now, ProbationUntil: now.Add(probation)})
		}
	}
	got := a.pushing(slow, serves(slow, 10*time.Second), "push", "slow.yaml", "--wait", "1m")
	const begin = "\n1 serves\non probation for 10s: where it makes requests fail, the one before is put back"
	if got.code != 0 ||
		!strings.HasSuffix(got.stdout, begin+";\n  gateway fleet tells, or --wait with --through-probation\n") {
		t.Errorf("push: %+v", got)
	}
	got = a.pushing(fast, serves(fast, 10*time.Second), "push", "fast.yaml", "--wait", "1s", "--through-probation")
	if got.code != 3 || !strings.HasSuffix(got.stdout, begin+"\n") ||
		got.stderr != "gateway: all that speak serve "+fast+", and its probation was not over within 1s\n" {
		t.Errorf("it lasts longer: %+v", got)
	}
	got = a.pushing(slow, func() {
		serves(slow, 10*time.Second)()
		one.says(slow, "rolled_back", "route shop: 53 of 53 requests failed")
	}, "push", "slow.yaml", "--wait", "1m", "--through-probation")
	if got.code != 1 || got.stderr != "gateway: 1 of 1 gateway did not take "+slow+": one\n" {
		t.Errorf("rolled back: %+v", got)
	}
	serves(slow, 10*time.Second)()
	got = a.pushing(slow, func() {}, "push", "slow.yaml", "--force", "--wait", "1m", "--through-probation")
	if got.code != 0 || strings.Contains(got.stdout, "on probation") {
		t.Errorf("forced: %+v", got)
	}
	a.refuses(2, "gateway: --through-probation: say also how long to wait, such as --wait 1m\n", "push", "fast.yaml",
		"--through-probation")
}

// A person who stops the wait is told that the push stands.
func testWaitingStopped(t *testing.T, a *author) {
	one := a.gateway("one")
	one.says("", "waiting")
	stopping, stop := context.WithCancel(t.Context())
	defer stop()
	a.signals = func(ctx context.Context) (context.Context, <-chan os.Signal) {
		ctx, end := context.WithCancel(ctx)
		context.AfterFunc(stopping, end)
		return ctx, nil
	}
	got := a.pushing(slow, stop, "push", "slow.yaml", "--wait", "1m")
	const stopped = " is live, and stays so; gateway fleet tells what becomes of it"
	if got.code != 3 || !strings.HasPrefix(got.stderr, "gateway: stopped: "+slow+stopped) {
		t.Errorf("push: %+v", got)
	}
}

// What a gateway has refused stays the answer when a person stops the wait.
func TestAnswerOfAWaitThatIsStopped(t *testing.T) {
	for _, row := range []struct {
		now   tally
		cause error
		code  int
		want  string
	}{
		{tally{Refuse: 1, Silent: 1, Gateways: make([]member, 2)}, errStopped, exitBad,
			"1 of 2 gateways did not take r: "},
		{tally{Serve: 1, Silent: 1, Gateways: make([]member, 2)}, errStopped, exitTimeOver,
			"stopped: r is live, and stays so; gateway fleet tells what becomes of it (so far: 1 serves, 1 silent)"},
		{tally{Serve: 2, Gateways: make([]member, 2)}, errSettled, exitFine, ""},
		{tally{Serve: 1, Silent: 1, Gateways: make([]member, 2)}, context.DeadlineExceeded, exitTimeOver,
			"1 of 2 gateways said nothing final of r within 1m0s: "},
	} {
		for i := range row.now.Gateways {
			row.now.Gateways[i].Stand = standGone
		}
		w := &waiter{rev: "r", heard: true, now: row.now}
		var text strings.Builder
		code := exitCode(w.answer(time.Minute, row.cause), &text)
		if code != row.code || row.want != "" && text.String() != "gateway: "+row.want+"\n" {
			t.Errorf("%+v, %v: code %d, %q; want %d, %q", row.now, row.cause, code, text.String(), row.code, row.want)
		}
	}
}

// standGone is none that a gateway has: it is left out where names are told.
const standGone = "gone"

// The end of the probation is waited for by the time that the gateways tell, whatever their clocks say.
func TestWaitForTheEndOfProbation(t *testing.T) {
	const probation = 15 * time.Second
	for name, ahead := range map[string]time.Duration{
		"same clock": 0, "ahead": skew - probation, "behind": -skew + probation + 1,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, end := context.WithCancelCause(t.Context())
				defer end(nil)
				var out strings.Builder
				w := &waiter{rev: "r", out: &out, seen: map[string]bool{}, trial: trialWait{
					wanted: true, over: func() { end(errSettled) },
				}}
				begun := time.Now()
				serves := func(instance string) consul.Said {
					now := time.Now().Add(ahead)
					return consul.Said{Instance: instance, Index: 1, Verdict: consul.Verdict{
						Rev: "r", State: discovery.RevisionApplied, Since: now, ProbationUntil: now.Add(probation)}}
				}
				w.foreign = 1 // nothing is newer
				a, silent := serves("a"), consul.Said{Instance: "b", Index: 1}
				if w.take(ctx, []consul.Said{a, silent}) {
					t.Fatal("nothing is left to wait for, though one is silent")
				}
				<-time.After(5 * time.Second)
				if w.take(ctx, []consul.Said{a, serves("b")}) {
					t.Fatal("nothing is left to wait for, though it is on probation")
				}
				<-ctx.Done()
				if took := time.Since(begun); took != 5*time.Second+probation+trialMore {
					t.Errorf("waited for %v", took)
				}
				if err := w.answer(time.Minute, context.Cause(ctx)); err != nil {
					t.Error(err)
				}
				const want = "1 serves, 1 silent\n2 serve\non probation for 15s: where it makes requests fail, " +
					"the one before " +
					"is put back\nits probation is over\n"
				if out.String() != want {
					t.Errorf("told\n%swant\n%s", out.String(), want)
				}
				<-time.After(time.Hour) // it is live already
				if !w.take(ctx, []consul.Said{a}) || !errors.Is(context.Cause(ctx), errSettled) {
					t.Error("waits for a probation that is over long ago")
				}
			})
		})
	}
}
