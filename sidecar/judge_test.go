package sidecar

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func TestWorse(t *testing.T) {
	for _, row := range []struct {
		before, since float64
		want          bool
	}{
		{0, 0, false}, {0, 0.049, false}, {0, 0.05, true}, {0, 1, true},
		{0.01, 0.059, false}, {0.01, 0.061, true}, // five points
		{0.02, 0.099, false}, {0.02, 0.1, true}, // five times
		{0.1, 0.49, false}, {0.1, 0.5, true},
		{0.3, 1, false}, {1, 1, false}, {1, 0, false},
	} {
		if got := worse(row.before, row.since); got != row.want {
			t.Errorf("worse(%v, %v) = %v", row.before, row.since, got)
		}
	}
}

// spell is how a subject fares for a while.
type spell struct {
	lasts    time.Duration
	requests float64 // a second
	failing  float64 // the share of them
	flag     telemetry.Flag
}

func outcomes(requests, failed uint64, flag telemetry.Flag) telemetry.Outcomes {
	o := telemetry.Outcomes{Requests: requests}
	o.Faults[flag] = failed
	return o
}

// judged runs a judge over 15 s, in which the subjects fare as told; the last spell goes on. It gives when it finds
// harm (negative: never), and what it says of it.
func judged(before []telemetry.Outcomes, spells [][]spell) (after time.Duration, reasons string) {
	var j judge
	now := make([]telemetry.Outcomes, len(before))
	for i := range before {
		j.subjects = append(j.subjects, subject{
			name: "route " + string(rune('a'+i%26)), of: "requests", before: before[i],
			requests: func() uint64 { return now[i].Requests },
			faults:   func() telemetry.FaultCounts { return now[i].Faults },
		})
	}
	requests, failed := make([]float64, len(before)), make([]float64, len(before))
	begun := time.Now()
	for at := time.Duration(0); at <= 15*time.Second; at += lookEvery {
		for i := range now {
			s, left := spells[i], at
			for len(s) > 1 && left >= s[0].lasts {
				left -= s[0].lasts
				s = s[1:]
			}
			n := s[0].requests * lookEvery.Seconds()
			requests[i] += n
			failed[i] += n * s[0].failing
			now[i].Requests = uint64(requests[i])
			now[i].Faults[s[0].flag] += uint64(failed[i]) - sum(now[i].Faults)
		}
		if h := j.check(begun.Add(at)); h != nil {
			return at, strings.Join(h.reasons, "; ")
		}
	}
	return -1, ""
}

func sum(f telemetry.FaultCounts) (n uint64) {
	for _, count := range f {
		n += count
	}
	return n
}

func TestJudge(t *testing.T) {
	const never = -1
	good := outcomes(6000, 0, telemetry.UF)
	steady := func(requests, failing float64, flag telemetry.Flag) []spell {
		return []spell{{0, requests, failing, flag}}
	}
	for _, row := range []struct {
		name   string
		before telemetry.Outcomes
		spells []spell
		want   time.Duration // when it is found
	}{
		{"all is well", good, steady(100, 0, telemetry.UF), never},
		{"a cluster that refuses", good, steady(100, 1, telemetry.UF), 3 * time.Second},
		{"a cluster without endpoints", good, steady(100, 1, telemetry.UH), 3 * time.Second},
		{"one that is slow to fail", good, []spell{{10 * time.Second, 0, 0, 0}, {0, 50, 1, telemetry.UT}},
			13250 * time.Millisecond},
		{"the app's own errors", good, steady(100, 0, telemetry.UC), never},
		{"clients that go away", good, steady(100, 1, telemetry.DC), never},
		{"a limit", good, steady(100, 1, telemetry.UO), never},
		{"requests without a route", good, steady(100, 1, telemetry.NR), never},
		{"a rate limit", good, steady(100, 1, telemetry.RL), never},
		{"low traffic", good, steady(1, 1, telemetry.UF), never},
		{"low traffic, but enough", good, steady(3, 1, telemetry.UF), 9500 * time.Millisecond},
		{"no traffic", good, steady(0, 0, 0), never},
		{"little is known of before", outcomes(19, 0, telemetry.UF), steady(100, 1, telemetry.UF), never},
		{"nothing is known of before", telemetry.Outcomes{}, steady(100, 1, telemetry.UF), never},
		{"a burst at the swap", good, []spell{{time.Second, 500, 1, telemetry.UC}, {0, 100, 0, 0}}, never},
		{"a burst, then silence", good, []spell{{time.Second, 500, 1, telemetry.UC}, {0, 0, 0, 0}}, never},
		{"bursts", good, []spell{
			{2 * time.Second, 100, 1, telemetry.UC}, {2 * time.Second, 100, 0, 0},
			{2 * time.Second, 100, 1, telemetry.UC}, {2 * time.Second, 100, 0, 0},
			{2 * time.Second, 100, 1, telemetry.UC}, {0, 100, 0, 0},
		}, never},
		{"one bad endpoint of thirty", good, steady(100, 1.0/30, telemetry.UF), never},
		{"one bad endpoint of four, until it is ejected", good,
			[]spell{{2 * time.Second, 100, 0.25, telemetry.UF}, {0, 100, 0, 0}}, never},
		{"one bad endpoint of four, which is never ejected", good, steady(100, 0.25, telemetry.UF),
			3 * time.Second},
		{"an app that was failing before", outcomes(6000, 3000, telemetry.UC), steady(100, 1, telemetry.UC), never},
		{"one that fails a little more", outcomes(6000, 60, telemetry.UC), steady(100, 0.04, telemetry.UC), never},
		{"one that fails much more", outcomes(6000, 60, telemetry.UC), steady(100, 0.08, telemetry.UC),
			3 * time.Second},
		{"four times as much", outcomes(6000, 600, telemetry.UC), steady(100, 0.4, telemetry.UC), never},
		{"better after a while", good, []spell{{8 * time.Second, 100, 0, 0}, {0, 100, 1, telemetry.UF}},
			11250 * time.Millisecond},
	} {
		after, reasons := judged([]telemetry.Outcomes{row.before}, [][]spell{row.spells})
		if after != row.want {
			t.Errorf("%s: found after %v (%s), want %v", row.name, after, reasons, row.want)
		}
	}
}

// One route among many, and many that each have too few requests to tell.
func TestJudgeOfManySubjects(t *testing.T) {
	const never = -1
	many := func(n int, o telemetry.Outcomes, s spell) (before []telemetry.Outcomes, spells [][]spell) {
		for range n {
			before, spells = append(before, o), append(spells, []spell{s})
		}
		return before, spells
	}
	before, spells := many(100, outcomes(600, 0, telemetry.UF), spell{0, 10, 0, 0})
	spells[1][0] = spell{0, 10, 1, telemetry.UF}
	after, reasons := judged(before, spells)
	if after != 4750*time.Millisecond || !strings.HasPrefix(reasons, "route b: ") ||
		strings.Contains(reasons, "; ") {
		t.Errorf("one of many: found after %v: %s", after, reasons)
	}

	before, spells = many(100, outcomes(15, 0, telemetry.UF), spell{0, 0.5, 1, telemetry.UF})
	after, reasons = judged(before, spells)
	if after != 5750*time.Millisecond ||
		!strings.HasPrefix(reasons, "100 changed routes together: ") || !strings.HasSuffix(reasons, "; and 95 more") {
		t.Errorf("many with few requests: found after %v: %s", after, reasons)
	}

	// One of which little is known, among busy ones that are well.
	before, spells = many(20, outcomes(6000, 0, telemetry.UF), spell{0, 100, 0, 0})
	before[0], spells[0][0] = outcomes(19, 0, telemetry.UF), spell{0, 30, 1, telemetry.UF}
	if after, reasons = judged(before, spells); after != never {
		t.Errorf("little known of one: found after %v: %s", after, reasons)
	}

	// A busy route that is well goes quiet, one that failed before goes on: together they look worse, and none is.
	before = []telemetry.Outcomes{outcomes(60_000, 0, telemetry.UF), outcomes(600, 600, telemetry.UF)}
	spells = [][]spell{{{0, 0, 0, 0}}, {{0, 10, 1, telemetry.UF}}}
	if after, reasons = judged(before, spells); after != never {
		t.Errorf("another mix of requests: found after %v: %s", after, reasons)
	}
}

func TestJudgeTells(t *testing.T) {
	_, reasons := judged([]telemetry.Outcomes{outcomes(500, 2, telemetry.UC)}, [][]spell{{
		{time.Second, 100, 0, telemetry.UF}, {0, 100, 1, telemetry.UF},
	}})
	const want = "route a: 325 of 425 requests failed (UF 325), before 2 of 500"
	if reasons != want {
		t.Errorf("told %q, want %q", reasons, want)
	}
}

// TestSizeOfSubjects: a revision may put ten thousand routes on probation.
func TestSizeOfSubjects(t *testing.T) {
	if size := unsafe.Sizeof(subject{}); size > 512 {
		t.Errorf("a subject takes %d bytes, want at most 512", size)
	}
}
