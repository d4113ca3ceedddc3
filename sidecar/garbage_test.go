package sidecar

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"testing"
	"time"
)

// Under load more garbage may lie around, by a fixed number of bytes, until collections are rare or nothing goes on.
func TestLoadPace(t *testing.T) {
	const mb = 1 << 20
	type span struct { // of four steps of 250 ms
		collections uint64
		alive       uint64
		want        int // behind them
	}
	for name, seconds := range map[string][]span{
		"few collections":     {{1, 2 * mb, 0}, {1, 2 * mb, 0}},
		"many, a small heap":  {{2, 2 * mb, 400}},
		"many, a larger heap": {{20, 8 * mb, 250}},
		"many, a large heap":  {{4, 120 * mb, 110}},
		"it follows the heap": {{20, 2 * mb, 400}, {3, 6 * mb, 300}},
		"fewer behind it":     {{20, 2 * mb, 400}, {1, 2 * mb, 400}, {0, 2 * mb, 400}, {1, 2 * mb, 400}},
		"rare, and many again": {
			{20, 2 * mb, 400},
			{0, 0, 400},
			{0, 0, 400},
			{0, 0, 400},
			{0, 0, 400},
			{0, 0, 0},
			{4, 0, 400},
		},
		"a second has its limit": {{1, 2 * mb, 0}, {1, 2 * mb, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			var p loadPace
			n, got := uint64(0), 0
			for i, s := range seconds {
				n += s.collections
				for range 4 {
					got = p.next(250*time.Millisecond, n, s.alive)
				}
				if got != s.want {
					t.Errorf("second %d: %d, want %d", i, got, s.want)
				}
			}
			if p.quiet() != 0 || p.next(250*time.Millisecond, n, 2*mb) != 0 {
				t.Error("not the usual target where it is quiet")
			}
		})
	}
}

// What runs beside the gateway notices the load, and that it is over with the context.
func TestLoadIsNoticed(t *testing.T) {
	if _, ok := processorTime(); !ok || os.Getenv("GOGC") != "" {
		t.Skip("GOGC is set, or this system does not tell the load")
	}
	ctx, end := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { trim(ctx) })
	for now := int64(0); now <= 100; now = gogc() {
		kept = make([]byte, 1<<20)
	}
	end()
	all.Wait()
	if p := gogc(); p != 100 {
		t.Errorf("the target is %d behind the end, want 100", p)
	}
}

// kept keeps a test's garbage from being none.
var kept []byte

// gogc is the target that holds.
func gogc() int64 {
	s := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64()) //nolint:gosec // none is -1
}

// The largest target that is wanted holds, and the usual one behind all.
func TestGarbageTarget(t *testing.T) {
	usual := debug.SetGCPercent(100)
	defer debug.SetGCPercent(usual)
	var g garbageTarget
	steps := []struct {
		why     garbageReason
		percent int
		want    int64
	}{
		{garbageOfLoad, 300, 300},
		{garbageOfAStart, startGC, startGC},
		{garbageOfLoad, 0, startGC},
		{garbageOfLoad, 250, startGC},
		{garbageOfAStart, 0, 250},
		{garbageOfLoad, 0, 100},
		{garbageOfARestore, 50, 100},
	}
	for i, s := range steps {
		if g.want(s.why, s.percent); gogc() != s.want {
			t.Errorf("step %d: %d, want %d", i, gogc(), s.want)
		}
	}
	debug.SetGCPercent(-1)
	var none garbageTarget
	if none.want(garbageOfLoad, 300); gogc() != -1 {
		t.Errorf("without a collector: %d, want none", gogc())
	}
}
