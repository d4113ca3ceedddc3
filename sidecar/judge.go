package sidecar

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// What speaks against a revision on probation.
const (
	leastRequests = 20   // before and since the swap: of fewer, nothing follows
	worsePoints   = 0.05 // by which the share of faults has to grow
	worseTimes    = 5
	harmTime      = 3 * time.Second // for which it has to be so

	lookEvery   = 250 * time.Millisecond
	recentLooks = int(time.Second / lookEvery)
)

// worse tells whether a share of faults has grown by too much.
func worse(before, since float64) bool {
	return since >= before+worsePoints && since >= worseTimes*before
}

// share is that of our own faults; of no requests it is 0.
func share(o telemetry.Outcomes) float64 {
	if o.Requests == 0 {
		return 0
	}
	return min(1, float64(o.Faults.Ours())/float64(o.Requests)) // a fault may be counted before its request
}

// suspicion is whether something fares worse since a swap, and since when. The zero value has none.
type suspicion struct {
	since  time.Time // zero = none
	recent [recentLooks]telemetry.Outcomes
	looks  int
}

// observe takes what was counted since the swap, at a moment that is after that of the call before. It also takes the
// share of faults before the swap. It reports whether that was exceeded for long enough. That is over all requests
// since the swap, and also over those of the last second. Without the latter a burst that is over would count. A
// second without requests says nothing.
func (s *suspicion) observe(at time.Time, all telemetry.Outcomes, before float64) (harm bool) {
	last := &s.recent[s.looks%recentLooks]
	second := telemetry.Outcomes{Requests: all.Requests - last.Requests}
	for f := range second.Faults {
		second.Faults[f] = all.Faults[f] - last.Faults[f]
	}
	*last = all
	s.looks++
	over := second.Requests > 0 && !worse(before, share(second))
	if all.Requests < leastRequests || !worse(before, share(all)) || over {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() {
		s.since = at
	}
	return at.Sub(s.since) >= harmTime && second.Requests > 0
}

// subject is a route, or a listener of L4, whose meaning a revision has changed.
type subject struct {
	name   string // "route shop"
	of     string // what is counted: requests or connections
	before telemetry.Outcomes
	began  uint64 // requests counted when the revision came into service

	requests func() uint64 // since the start of the process
	faults   func() telemetry.FaultCounts

	mayBeEmpty bool // by the author's will: that there is no endpoint is no harm

	*suspicion                    // nil: nothing was held against it, for want of requests before the swap
	now        telemetry.Outcomes // since the swap, at the last look
}

// begin notes what is counted at the swap.
func (s *subject) begin() {
	s.began = s.requests()
	s.before = s.judged(s.before)
}

func (s *subject) since() telemetry.Outcomes {
	return s.judged(telemetry.Outcomes{Requests: s.requests() - s.began, Faults: s.faults()})
}

// judged leaves out what the author has asked for.
func (s *subject) judged(o telemetry.Outcomes) telemetry.Outcomes {
	if s.mayBeEmpty {
		o.Faults[telemetry.UH] = 0
	}
	return o
}

// doubtful tells whether anything speaks against the revision, be it of too few requests to be held against it.
func (s *subject) doubtful() bool { return worse(share(s.before), share(s.since())) }

// judge compares a revision with the one before.
type judge struct {
	subjects []subject
	together suspicion
}

// check tells what the revision does to requests; nil = no harm, as far as is known. Besides each subject alone all of
// them together are looked at: many that have few requests each.
func (j *judge) check(at time.Time) *harm {
	var all, before telemetry.Outcomes
	expected := 0.0 // faults, if each subject fared as before
	alone := false
	for i := range j.subjects {
		s := &j.subjects[i]
		s.now = s.since()
		if s.before.Requests == 0 {
			continue
		}
		all, before = all.Plus(s.now), before.Plus(s.before)
		expected += share(s.before) * float64(s.now.Requests)
		if s.before.Requests < leastRequests {
			continue
		}
		if s.suspicion == nil { // it is large, and there may be ten thousand subjects
			s.suspicion = new(suspicion)
		}
		alone = s.suspicion.observe(at, s.now, share(s.before)) || alone
	}
	if all.Requests == 0 || before.Requests < leastRequests {
		return nil
	}
	together := j.together.observe(at, all, expected/float64(all.Requests))
	if !alone && !together {
		return nil
	}
	return j.harm(all, before, alone)
}

// suspects tells whether the judgement is open.
func (j *judge) suspects() bool {
	return !j.together.since.IsZero() ||
		slices.ContainsFunc(j.subjects, func(s subject) bool {
			return s.suspicion != nil && !s.suspicion.since.IsZero()
		})
}

func (j *judge) doubtful() bool {
	return slices.ContainsFunc(j.subjects, func(s subject) bool { return s.doubtful() })
}

// harm is what a revision did.
type harm struct {
	all      telemetry.Outcomes // since the swap, of all subjects
	reasons  []string
	compared []Compared
}

// maxCompared is how many subjects are told of.
const maxCompared = 5

// harm names the subjects that are worse, those with the most faults first.
func (j *judge) harm(all, before telemetry.Outcomes, alone bool) *harm {
	h := &harm{all: all}
	var worst []*subject
	for i := range j.subjects {
		s := &j.subjects[i]
		if s.before.Requests > 0 && worse(share(s.before), share(s.now)) {
			worst = append(worst, s)
		}
	}
	slices.SortStableFunc(worst, func(a, b *subject) int {
		return cmp.Compare(b.now.Faults.Ours(), a.now.Faults.Ours())
	})
	if !alone {
		h.tell(&subject{name: fmt.Sprintf("%d changed routes together", len(j.subjects)), of: "requests",
			before: before, now: all})
	}
	for i, s := range worst {
		if i == maxCompared {
			h.reasons = append(h.reasons, fmt.Sprintf("and %d more", len(worst)-i))
			break
		}
		h.tell(s)
	}
	return h
}

func (h *harm) tell(s *subject) {
	c := Compared{Name: s.name, Before: figuresOf(s.before), Since: figuresOf(s.now)}
	h.compared = append(h.compared, c)
	h.reasons = append(h.reasons, fmt.Sprintf("%s: %d of %d %s failed (%s), before %d of %d", s.name, c.Since.Failed,
		c.Since.Requests, s.of, s.now.Faults, c.Before.Failed, c.Before.Requests))
}

func figuresOf(o telemetry.Outcomes) Figures { return Figures{o.Requests, o.Faults.Ours()} }
