package cli

import (
	"fmt"
	"time"
)

const (
	// trialMore is for how much longer than its probation a gateway may look at a revision that it suspects. By then
	// it has given its verdict.
	trialMore = 5 * time.Second

	// skew is by how much the clocks of people and gateways may differ.
	skew = time.Minute
)

// trialWait is the wait for the end of the probation of a revision, at all gateways that serve it.
type trialWait struct {
	wanted bool                 // or else how long it takes is only told
	none   bool                 // there is none: what is still told of one was before the push
	since  map[string]time.Time // by our clock, when an instance was first heard to serve it
	over   func()               // called from another goroutine
	timer  *time.Timer
	begun  bool // there is a probation, which was told
}

// take takes what is said at a moment, and tells how long the probation will last by what is known. The gateways tell
// how long it takes, and their clocks are their own.
func (t *trialWait) take(now *tally, at time.Time) (left time.Duration) {
	if t.none {
		return 0
	}
	if t.since == nil {
		t.since = map[string]time.Time{}
	}
	for i := range now.Gateways {
		g := &now.Gateways[i]
		if g.Stand != standServe {
			delete(t.since, g.Instance)
			continue
		}
		if _, known := t.since[g.Instance]; !known {
			t.since[g.Instance] = at
		}
		if g.ProbationUntil.IsZero() || at.After(g.ProbationUntil.Add(skew)) {
			continue
		}
		left = max(left, t.since[g.Instance].Add(g.ProbationUntil.Sub(g.Since)).Sub(at))
	}
	return left
}

// wait waits for so long, if that is wanted.
func (t *trialWait) wait(left time.Duration) bool {
	t.stop()
	if t.wanted {
		t.timer = time.AfterFunc(left+trialMore, t.over)
	}
	return t.wanted
}

func (t *trialWait) stop() {
	if t.timer != nil {
		t.timer.Stop()
	}
}

// tellTrial says once that the revision is on probation.
func (w *waiter) tellTrial(left time.Duration) {
	if w.out == nil || w.trial.begun {
		return
	}
	w.trial.begun = true
	text := fmt.Sprintf("on probation for %s: where it makes requests fail, the one before is put back",
		left.Round(time.Second))
	if !w.trial.wanted {
		text += "; gateway fleet tells, or --wait with --through-probation"
	}
	w.writeln(wrap(text), "")
}
