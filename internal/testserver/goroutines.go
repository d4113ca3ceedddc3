package testserver

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// settle is how long goroutines may take to end after what owns them was closed.
const settle = 5 * time.Second

// Goroutines fails the test if, after all that it cleans up was cleaned up, there
// are goroutines that were not there when Goroutines was called. Call it first;
// not for parallel tests, whose goroutines it cannot tell apart.
func Goroutines(t testing.TB) {
	t.Helper()
	noneLeft(t, settle)
}

// noneLeft is Goroutines with a patience of the caller's.
func noneLeft(t testing.TB, patience time.Duration) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		deadline := time.Now().Add(patience)
		left := newcomers(before)
		for len(left) > 0 && time.Now().Before(deadline) {
			<-tick.C
			left = newcomers(before)
		}
		if len(left) == 0 {
			return
		}
		t.Errorf("%d goroutines left behind:\n\n%s", len(left), strings.Join(left, "\n\n"))
	})
}

// newcomers returns the stacks of the goroutines that are not in before.
func newcomers(before map[string]string) []string {
	var stacks []string
	for id, stack := range goroutines() {
		if _, old := before[id]; !old {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// goroutines maps each goroutine's header word, such as "goroutine 17", to its stack.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	found := map[string]string{}
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		id, _, _ := strings.Cut(stack, " [")
		found[id] = stack
	}
	return found
}
