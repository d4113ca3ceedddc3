package telemetry

import (
	"fmt"
	"strings"
	"sync/atomic"
)

// Ours tells whether a flag is about the gateway's own way to an endpoint. It is where there is none, or it could not
// be reached, was too slow or broke off. What a client does and what a limit refuses is none of it, and neither is that
// there is no route: the document says so.
func (f Flag) Ours() bool {
	switch f {
	case UH, UF, UC, UT, UPE:
		return true
	default:
		return false
	}
}

// Faults counts what ended badly, by flag. The zero value is ready, and takes a word until something is counted. Safe
// from any goroutine.
type Faults struct{ counts atomic.Pointer[FaultCounts] }

// FaultCounts are how many ended with each flag.
type FaultCounts [numFlags]uint64

// Count counts one that ended with f; those without a flag are not counted. Only the first allocates.
func (f *Faults) Count(flag Flag) {
	if flag == NoFlag || flag >= numFlags {
		return
	}
	c := f.counts.Load()
	if c == nil {
		f.counts.CompareAndSwap(nil, new(FaultCounts))
		c = f.counts.Load()
	}
	atomic.AddUint64(&c[flag], 1)
}

// Load is what was counted until now.
func (f *Faults) Load() (n FaultCounts) {
	if c := f.counts.Load(); c != nil {
		for i := range c {
			n[i] = atomic.LoadUint64(&c[i])
		}
	}
	return n
}

// Ours is how many ended with a flag of ours.
func (n FaultCounts) Ours() (sum uint64) {
	for f, count := range n {
		if Flag(f).Ours() {
			sum += count
		}
	}
	return sum
}

// String lists those of ours: "UF 12, UH 3".
func (n FaultCounts) String() string {
	var parts []string
	for f, count := range n {
		if count > 0 && Flag(f).Ours() {
			parts = append(parts, fmt.Sprintf("%s %d", Flag(f), count))
		}
	}
	return strings.Join(parts, ", ")
}

// Plus is the sum of both.
func (n FaultCounts) Plus(other FaultCounts) FaultCounts {
	for i := range n {
		n[i] += other[i]
	}
	return n
}

// Outcomes are how many requests, or connections of L4, there were, and how those ended that ended badly.
type Outcomes struct {
	Requests uint64
	Faults   FaultCounts
}

// Plus is the sum of both.
func (o Outcomes) Plus(other Outcomes) Outcomes {
	return Outcomes{o.Requests + other.Requests, o.Faults.Plus(other.Faults)}
}

// since is what came after before.
func (o Outcomes) since(before Outcomes) Outcomes {
	o.Requests -= before.Requests
	for i := range o.Faults {
		o.Faults[i] -= before.Faults[i]
	}
	return o
}

// Outcomes are those of the route since the process began.
func (r *Route) Outcomes() Outcomes { return Outcomes{uint64(r.Requests()), r.Faults.Load()} }

// Outcomes are those of the connections of an L4 listener since the process began. One that has not ended yet counts.
func (l *Listener) Outcomes() Outcomes { return Outcomes{uint64(l.Accepted.Load()), l.Faults.Load()} }

// Mark is a moment, with what was counted until then and until a minute before.
type Mark struct {
	routes    map[*Route]Outcomes
	listeners map[*Listener]Outcomes
	before    sample
}

// Mark notes what is counted until now.
func (r *Registry) Mark() *Mark {
	m := &Mark{
		routes: map[*Route]Outcomes{}, listeners: map[*Listener]Outcomes{}, before: r.window.oldest(r.start),
	}
	routes, _, listeners := r.named()
	for _, one := range routes {
		if o := one.Outcomes(); o.Requests > 0 {
			m.routes[one] = o
		}
	}
	for _, l := range listeners {
		if o := l.Outcomes(); l.plane == L4 && o.Requests > 0 {
			m.listeners[l] = o
		}
	}
	return m
}

// Route is what the route had counted within the minute before the mark. Where that is less than so many requests, it
// is since the process began.
func (m *Mark) Route(r *Route, least uint64) Outcomes {
	now := m.routes[r]
	then, known := m.before.routes[r]
	if !known && len(m.before.routes) == mostSampled {
		return now // it may have been left out
	}
	return lastMinute(now, then.outcomes(), least)
}

// Listener is Route for a listener of L4.
func (m *Mark) Listener(l *Listener, least uint64) Outcomes {
	return lastMinute(m.listeners[l], m.before.connections[l], least)
}

func lastMinute(now, then Outcomes, least uint64) Outcomes {
	if d := now.since(then); d.Requests >= least {
		return d
	}
	return now
}

func (t *tally) outcomes() Outcomes {
	return Outcomes{t.count(), FaultCounts(t.errors[errorsFlag:])}
}
