package testserver

import (
	"strings"
	"testing"
	"time"
)

// recorder is a test that notes its failures and runs its cleanups when told.
type recorder struct {
	testing.TB
	cleanups []func()
	failures []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Cleanup(f func())          { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(_ string, a ...any) { r.failures = append(r.failures, a[1].(string)) }

func TestGoroutinesFindsWhatIsLeftBehind(t *testing.T) {
	end := make(chan struct{})
	leak := func() { <-end }

	dirty := &recorder{TB: t}
	noneLeft(dirty, 50*time.Millisecond)
	go leak()
	dirty.cleanups[0]()
	if len(dirty.failures) != 1 || !strings.Contains(dirty.failures[0], "TestGoroutinesFindsWhatIsLeftBehind.func1") {
		t.Errorf("failures with a goroutine left = %q, want its stack", dirty.failures)
	}

	clean := &recorder{TB: t}
	Goroutines(clean)
	done := make(chan struct{})
	go func() { <-end; close(done) }()
	close(end)
	<-done
	clean.cleanups[0]()
	if len(clean.failures) != 0 {
		t.Errorf("failures without one = %q, want none", clean.failures)
	}
}
