package testgateway

import (
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

const apart = "GATEWAY_TEST_APART"

// Apart runs the calling test once more, in a process of its own, with nothing of other tests on its heap. There it
// returns true; where the test began it returns false, and the test has passed or failed with that process.
func Apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apart) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v",
		"-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	// A goroutine begins with the same stack, however deep those before it were.
	cmd.Env = append(os.Environ(), apart+"="+t.Name(), "GODEBUG=adaptivestackstart=0")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil || !strings.Contains(string(out), each) {
		t.Errorf("in a process of its own: %v", err)
	}
	return false
}

// HeapAndStacks is what the process needs of the heap and for stacks, in bytes, after collections. Each collection
// halves stacks that were once deeper than they are.
func HeapAndStacks() int {
	return live(func(m *runtime.MemStats) uint64 { return m.HeapAlloc + m.StackInuse })
}

// Heap is HeapAndStacks where what is measured has no goroutines: the runtime keeps some of the stacks of those that
// there were at the same time.
func Heap() int { return live(func(m *runtime.MemStats) uint64 { return m.HeapAlloc }) }

func live(of func(*runtime.MemStats) uint64) int {
	for least := math.MaxInt; ; {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		n := int(of(&m))
		if n >= least {
			return least
		}
		least = n
	}
}

const each = "bytes for each"

// WantFootprint compares what each of n has taken of live ([Heap], [HeapAndStacks]) since before with its ceiling. A
// ceiling is some tenth above what was measured, so that a fifth more fails. One that is far above fails too, and is to
// be lowered.
func WantFootprint(t testing.TB, live func() int, before, n, ceiling int) {
	t.Helper()
	got := (live() - before) / n
	t.Logf("%d %s, of at most %d", got, each, ceiling)
	if got > ceiling || got < ceiling*2/3 {
		t.Errorf("%d %s, want at most %d, and not much less", got, each, ceiling)
	}
}
