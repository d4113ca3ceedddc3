package telemetry

import (
	"slices"
	"sync/atomic"
	"time"
)

// numBuckets is 21 upper bounds and the bucket above the last of them. numExported is how many of them a metric has:
// the others make quantiles of our own finer.
const (
	numBuckets  = 22
	numExported = 15
)

// bounds are the upper bounds of a histogram's buckets; a value that equals a bound is counted below it, as
// OpenTelemetry defines it.
type bounds struct {
	at       [numBuckets - 1]time.Duration
	seconds  [numExported - 1]float64 // those that are exported
	exported [numBuckets]int          // the exported bucket that has what is in the bucket
}

// newBounds makes bounds of those that are exported and those that are not.
func newBounds(exported [numExported - 1]time.Duration, own [numBuckets - numExported]time.Duration) *bounds {
	b := &bounds{}
	copy(b.at[:], append(exported[:], own[:]...))
	slices.Sort(b.at[:])
	for i, d := range exported {
		b.seconds[i] = d.Seconds()
	}
	for i, d := range b.at {
		b.exported[i], _ = slices.BinarySearch(exported[:], d)
	}
	b.exported[numBuckets-1] = numExported - 1
	return b
}

var (
	// requestBounds are those the HTTP conventions of OpenTelemetry advise. Most requests of a sidecar are faster than
	// the first of them, so most of our own are below it.
	requestBounds = newBounds([numExported - 1]time.Duration{
		5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		75 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		750 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
		7500 * time.Millisecond, 10 * time.Second,
	}, [numBuckets - numExported]time.Duration{
		100 * time.Microsecond, 200 * time.Microsecond, 400 * time.Microsecond, 700 * time.Microsecond,
		1200 * time.Microsecond, 2 * time.Millisecond, 3200 * time.Microsecond,
	})
	// tunnelBounds reach from a probe to a database connection that lives all day.
	tunnelBounds = newBounds([numExported - 1]time.Duration{
		10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond, time.Second,
		5 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute,
		15 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour,
		12 * time.Hour, 24 * time.Hour,
	}, [numBuckets - numExported]time.Duration{
		time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 25 * time.Millisecond, 100 * time.Millisecond,
		500 * time.Millisecond, 2 * time.Second,
	})
)

// histogram counts durations in fixed buckets. It is as large as three cache lines, a size in which the allocator
// starts every object on a line of its own. There is no counter of all values. It is the sum of the buckets, so that
// recording costs two atomic additions and count and buckets always agree.
type histogram struct {
	bounds  *bounds
	sum     atomic.Int64 // nanoseconds; enough for 292 years of waiting
	buckets [numBuckets]atomic.Uint64
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

// load may see a value in the buckets before it is in the sum. That lasts no longer than the other goroutine takes
// between its two additions.
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

// add adds another distribution of the same bounds.
func (d *distribution) add(other distribution) {
	for i := range d.buckets {
		d.buckets[i] += other.buckets[i]
	}
	d.sum += other.sum
}

// export is the distribution in the buckets that a metric has.
func (d distribution) export(b *bounds) []uint64 {
	out := make([]uint64, numExported)
	for i, n := range d.buckets {
		out[b.exported[i]] += n
	}
	return out
}

// quantile is the value below which the share q of all lies, as far as the buckets tell. Inside of one, values are
// taken to be spread evenly. Above the last bound it is that bound. Without values it is 0.
func (d distribution) quantile(b *bounds, q float64) time.Duration {
	rank := q * float64(d.count())
	if rank == 0 {
		return 0
	}
	var below float64
	for i, n := range d.buckets {
		if n == 0 || below+float64(n) < rank {
			below += float64(n)
			continue
		}
		if i == numBuckets-1 {
			break
		}
		from := time.Duration(0)
		if i > 0 {
			from = b.at[i-1]
		}
		return from + time.Duration((rank-below)/float64(n)*float64(b.at[i]-from))
	}
	return b.at[numBuckets-2]
}
