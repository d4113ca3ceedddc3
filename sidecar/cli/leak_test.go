package cli

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails when a verb left a goroutine behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := leaked(5 * time.Second); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leaked gives the stacks of goroutines other than this one, once they had time
// to end.
func leaked(within time.Duration) []string {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); ; <-tick.C {
		all := make([]byte, 1<<20)
		all = all[:runtime.Stack(all, true)]
		left := strings.Split(strings.TrimSpace(string(all)), "\n\n")[1:]
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}
