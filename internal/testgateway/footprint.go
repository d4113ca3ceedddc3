package testgateway

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

const apart = "GATEWAY_TEST_APART"

// Apart runs the calling test once more, in a process of its own, with nothing of other tests on its heap. There it
// returns true; where the test began it returns false, and the test has passed or failed with that process. The test
// becomes a parallel one: nothing of it runs in the process of the others.
func Apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apart) == t.Name() {
		return true
	}
	t.Parallel()
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

// Footprint is what each of many things of one kind takes, such as connections. The runtime keeps some of the stacks of
// goroutines that have ended, so stacks are measured by the goroutines that there are. It counts how many, and of which
// size.
type Footprint struct {
	Heap       int // bytes, at most. Far less is an error too: the ceiling is to be lowered.
	Goroutines int // exactly
	Stack      int // bytes of that of a goroutine, on average. It is a power of two for each.
}

// batch is how many things are begun before they are waited for. So many goroutines at the most are at work on things
// that need none any more. What the runtime keeps of them does not grow with the number of things.
const batch = 50

// idle is how many goroutines may come or go beside: workers that are kept for what comes next.
const idle = 10

// Measure compares what each of n things takes with what it may. begin begins one. settled waits until so many are at
// rest, those included that are begun before the measurement. n is a multiple of the batch.
//
// A ceiling is some tenth above what was measured, so that a fifth more fails, and what is far above it fails too.
func (f Footprint) Measure(t testing.TB, n int, begin func(), settled func(n int)) {
	t.Helper()
	keepGoroutines()
	begun := 0
	more := func() {
		for range batch {
			begin()
		}
		begun += batch
		settled(begun)
	}
	more()
	goroutines := runtime.NumGoroutine()
	heap, stacks := live()
	for range n / batch {
		more()
	}
	testserver.WaitFor(t, Patience, fmt.Sprintf("%d goroutines for each", f.Goroutines), func() bool {
		beside := runtime.NumGoroutine() - goroutines - n*f.Goroutines
		return -idle <= beside && beside <= idle
	})
	heapAfter, stacksAfter := live()
	heap, stacks = (heapAfter-heap)/n, (stacksAfter-stacks)/n
	t.Logf("%d %s on the heap, of at most %d; %d for stacks", heap, each, f.Heap, stacks)
	if heap > f.Heap || heap < f.Heap*3/4 {
		t.Errorf("%d %s on the heap, want at most %d, and not much less", heap, each, f.Heap)
	}
	want := f.Goroutines * f.Stack
	if beside := stacks - want; want > 0 && max(beside, -beside) > want/4 {
		t.Errorf("%d %s for stacks, want %d of %d", stacks, each, f.Goroutines, f.Stack)
	}
}

const each = "bytes for each"

// HeapAndStacks is what the process needs of the heap and for stacks together, in bytes, after collections.
func HeapAndStacks() int {
	heap, stacks := live()
	return heap + stacks
}

// WantHeld compares what each of n things holds of the heap and for stacks together with its ceiling, in bytes. before
// is what [HeapAndStacks] told before there were any. It is for what is bounded, and otherwise depends on timing: less
// is no error. Things of that kind have so many buffers that what the runtime keeps is small beside them.
func WantHeld(t testing.TB, before, n, ceiling int) {
	t.Helper()
	held := (HeapAndStacks() - before) / n
	t.Logf("%d %s, of at most %d", held, each, ceiling)
	if held > ceiling {
		t.Errorf("%d %s, want at most %d", held, each, ceiling)
	}
}

// keepGoroutines has more goroutines at the same time than a batch can need. The runtime keeps what they were made of
// for those to come.
func keepGoroutines() {
	var all sync.WaitGroup
	end := make(chan struct{})
	for range 4 * batch {
		all.Go(func() { <-end })
	}
	close(end)
	all.Wait()
}

// live is what the process needs of the heap and for stacks, in bytes, after collections. Each collection halves stacks
// that were once deeper than they are.
func live() (heap, stacks int) {
	for least := math.MaxInt; ; {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap, stacks = int(m.HeapAlloc), int(m.StackInuse)
		if heap+stacks >= least {
			return heap, stacks
		}
		least = heap + stacks
	}
}
