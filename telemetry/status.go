package telemetry

import (
	"sync/atomic"
	"time"
)

// Statuses from 100 to 599 have a histogram each, made when first seen. All
// others, and 0 for "no status at all", share the one at noStatus.
const (
	minStatus  = 100
	maxStatus  = 599
	noStatus   = maxStatus + 1 - minStatus
	groupSize  = 16
	groupCount = (noStatus + groupSize) / groupSize
)

// byStatus holds one histogram a status code. Two short steps of pointers take less than half a kilobyte for the one or
// two codes that a route really answers with. A flat array would take four.
type byStatus struct {
	groups [groupCount]atomic.Pointer[statusGroup]
}

type statusGroup [groupSize]atomic.Pointer[histogram]

func statusIndex(status int) int {
	if status < minStatus || status > maxStatus {
		return noStatus
	}
	return status - minStatus
}

// record counts d under status. It is false if there is no histogram for that
// status yet.
func (b *byStatus) record(status int, d time.Duration) bool {
	i := statusIndex(status)
	g := b.groups[i/groupSize].Load()
	if g == nil {
		return false
	}
	h := g[i%groupSize].Load()
	if h == nil {
		return false
	}
	h.record(d)
	return true
}

// grow makes the histogram for status. Losing a race against another goroutine
// is fine: the winner's is used by both.
func (b *byStatus) grow(status int) {
	i := statusIndex(status)
	group := &b.groups[i/groupSize]
	group.CompareAndSwap(nil, new(statusGroup))
	group.Load()[i%groupSize].CompareAndSwap(nil, &histogram{bounds: requestBounds})
}

// each calls f for every histogram there is, in order of status; status is 0 for
// the one without.
func (b *byStatus) each(f func(status int, h *histogram)) {
	for i := range b.groups {
		g := b.groups[i].Load()
		if g == nil {
			continue
		}
		for j := range g {
			if h := g[j].Load(); h != nil {
				f(statusAt(i*groupSize+j), h)
			}
		}
	}
}

func statusAt(i int) int {
	if i == noStatus {
		return 0
	}
	return i + minStatus
}
