package telemetry

import (
	"math"
	"testing"
	"time"
	"unsafe"
)

func TestHistogramPutsABoundBelowItself(t *testing.T) {
	for i, bound := range requestBounds.at {
		h := &histogram{bounds: requestBounds}
		h.record(bound)
		h.record(bound + 1)
		d := h.load()
		if d.buckets[i] != 1 || d.buckets[i+1] != 1 || d.count() != 2 {
			t.Errorf("%v and 1ns more: buckets %v, want one in %d and one in %d", bound, d.buckets, i, i+1)
		}
		if d.sum != 2*bound+1 {
			t.Errorf("sum = %v, want %v", d.sum, 2*bound+1)
		}
	}
}

func TestHistogramEnds(t *testing.T) {
	h := &histogram{bounds: requestBounds}
	h.record(0)
	h.record(-time.Second)
	h.record(math.MaxInt64)
	d := h.load()
	if d.buckets[0] != 2 || d.buckets[numBuckets-1] != 1 || d.sum != math.MaxInt64 {
		t.Errorf("buckets %v sum %d: want 0 and a negative time in the first, without a part in the sum", d.buckets,
			d.sum)
	}
}

func TestDistributionSince(t *testing.T) {
	h := &histogram{bounds: requestBounds}
	h.record(time.Millisecond)
	before := h.load()
	h.record(time.Millisecond)
	h.record(time.Hour)
	d := h.load().since(before)
	if d.buckets[4] != 1 || d.buckets[numBuckets-1] != 1 || d.count() != 2 || d.sum != time.Hour+time.Millisecond {
		t.Errorf("since = %v, want what came after only", d)
	}
}

func TestBoundsAscend(t *testing.T) {
	for name, b := range map[string]*bounds{"request": requestBounds, "tunnel": tunnelBounds} {
		for i := 1; i < len(b.at); i++ {
			if b.at[i] <= b.at[i-1] {
				t.Errorf("%s: bound %d is %v after %v", name, i, b.at[i], b.at[i-1])
			}
		}
		for i := 1; i < len(b.seconds); i++ {
			if b.seconds[i] <= b.seconds[i-1] {
				t.Errorf("%s: exported bound %d is %v after %v", name, i, b.seconds[i], b.seconds[i-1])
			}
		}
	}
}

// A value is exported in the bucket that it would be in if there were no other bounds.
func TestExportedBuckets(t *testing.T) {
	for name, b := range map[string]*bounds{"request": requestBounds, "tunnel": tunnelBounds} {
		for _, at := range append([]time.Duration{0}, b.at[:]...) {
			for _, d := range []time.Duration{at, at + 1} {
				h := &histogram{bounds: b}
				h.record(d)
				want := 0
				for want < len(b.seconds) && d.Seconds() > b.seconds[want] {
					want++
				}
				if got := h.load().export(b); len(got) != numExported || got[want] != 1 {
					t.Errorf("%s: %v is exported as %v, want bucket %d", name, d, got, want)
				}
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	h := &histogram{bounds: requestBounds}
	if got := h.load().quantile(requestBounds, 0.5); got != 0 {
		t.Errorf("without values: %v, want 0", got)
	}
	for range 90 {
		h.record(150 * time.Microsecond)
	}
	for range 9 {
		h.record(30 * time.Millisecond)
	}
	h.record(time.Minute)
	for _, row := range []struct {
		q    float64
		want time.Duration
	}{
		{0.45, 150 * time.Microsecond}, // half of the bucket from 100 to 200 us
		{0.9, 200 * time.Microsecond},
		{0.945, 37500 * time.Microsecond}, // half of that from 25 to 50 ms
		{0.99, 50 * time.Millisecond},
		{0.999, 10 * time.Second}, // the last bound there is
		{1, 10 * time.Second},
	} {
		if got := h.load().quantile(requestBounds, row.q); (got - row.want).Abs() > time.Microsecond {
			t.Errorf("quantile %v = %v, want %v", row.q, got, row.want)
		}
	}
}

// Whole cache lines are what keeps neighbours apart.
func TestSizesAreCacheLines(t *testing.T) {
	const line = 64
	for name, size := range map[string]uintptr{
		"Counter":   unsafe.Sizeof(Counter{}),
		"UpDown":    unsafe.Sizeof(UpDown{}),
		"histogram": unsafe.Sizeof(histogram{}),
	} {
		if size%line != 0 {
			t.Errorf("%s is %d bytes, want a multiple of %d", name, size, line)
		}
	}
}
