package telemetry

import (
	"sync/atomic"
	"time"
)

// numBuckets is 14 upper bounds and the bucket above the last of them.
const numBuckets = 15

// bounds are the upper bounds of a histogram's buckets; a value that equals a
// bound is counted below it, as OpenTelemetry defines it.
type bounds struct {
	at      [numBuckets - 1]time.Duration
	seconds [numBuckets - 1]float64 // the same, as it is exported
}

func newBounds(at [numBuckets - 1]time.Duration) *bounds {
	b := &bounds{at: at}
	for i, d := range at {
		b.seconds[i] = d.Seconds()
	}
	return b
}

var (
	// requestBounds are those the HTTP conventions of OpenTelemetry advise.
	requestBounds = newBounds([numBuckets - 1]time.Duration{
		5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		75 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		750 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
		7500 * time.Millisecond, 10 * time.Second,
	})
	// tunnelBounds reach from a probe to a database connection that lives all day.
	tunnelBounds = newBounds([numBuckets - 1]time.Duration{
		10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second,
		5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute,
		15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour,
		12 * time.Hour, 24 * time.Hour,
	})
)

// histogram counts durations in fixed buckets. It is as large as three cache
// lines, a size in which the allocator starts every object on a line of its
// own. There is no counter of all values: it is the sum of the buckets, so that
// recording costs two atomic additions and count and buckets always agree.
type histogram struct {
	bounds  *bounds
	sum     atomic.Int64 // nanoseconds; enough for 292 years of waiting
	buckets [numBuckets]atomic.Uint64
	_       [56]byte
}

// record counts d. A negative d (a clock that was set back) counts as zero, or
// the sum would go back, which collectors take for a restart.
func (h *histogram) record(d time.Duration) {
	if d < 0 {
		d = 0
	}
	// The walk is short: most requests end in the first buckets.
	i, at := 0, &h.bounds.at
	for i < len(at) && d > at[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(int64(d))
}

// distribution is a histogram's content at one moment.
type distribution struct {
	buckets [numBuckets]uint64
	sum     time.Duration
}

// load may see a value in the buckets before it is in the sum, never for longer
// than the other goroutine takes between its two additions.
func (h *histogram) load() (d distribution) {
	for i := range h.buckets {
		d.buckets[i] = h.buckets[i].Load()
	}
	d.sum = time.Duration(h.sum.Load())
	return d
}

func (d distribution) count() (n uint64) {
	for _, b := range d.buckets {
		n += b
	}
	return n
}

// since is what was recorded after before was taken.
func (d distribution) since(before distribution) distribution {
	for i := range d.buckets {
		d.buckets[i] -= before.buckets[i]
	}
	d.sum -= before.sum
	return d
}
