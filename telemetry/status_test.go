package telemetry

import (
	"slices"
	"testing"
	"time"
)

func TestEveryStatusHasItsOwnHistogram(t *testing.T) {
	var b byStatus
	var want []int
	for status := minStatus; status <= maxStatus; status++ {
		if b.record(status, time.Second) {
			t.Fatalf("status %d was counted before it had a histogram", status)
		}
		b.grow(status)
		if !b.record(status, time.Second) {
			t.Fatalf("status %d was not counted", status)
		}
		want = append(want, status)
	}
	for _, status := range []int{0, -1, 99, 600, 1 << 40} {
		b.grow(status)
		b.record(status, time.Second)
	}
	var got []int
	b.each(func(status int, h *histogram) {
		n := uint64(1)
		if status == 0 {
			n = 5
		}
		if c := h.load().count(); c != n {
			t.Errorf("status %d was counted %d times, want %d", status, c, n)
		}
		got = append(got, status)
	})
	if want = append(want, 0); !slices.Equal(got, want) {
		t.Errorf("statuses = %v, want 100 to 599 and 0", got)
	}
}
