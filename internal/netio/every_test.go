package netio

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Without connections nothing is looked at, however much time passes; with a token the looks go on at their pace.
func TestEveryRestsWithoutConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		wake := make(chan struct{}, 1)
		began := time.Now()
		var mu sync.Mutex // of both
		var looks []time.Duration
		open := 0
		set := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			open = n
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Every(ctx, 10*time.Millisecond, wake, func() int {
				mu.Lock()
				defer mu.Unlock()
				looks = append(looks, time.Since(began))
				return open
			})
		}()
		wantAfter := func(pass time.Duration, want int) {
			t.Helper()
			<-time.After(pass)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if len(looks) != want {
				t.Errorf("%d looks after %v, want %d: %v", len(looks), time.Since(began), want, looks)
			}
		}
		wantAfter(9*time.Millisecond, 0)
		wantAfter(time.Millisecond, 1)
		wantAfter(time.Hour, 1)
		set(1)
		wake <- struct{}{}
		wantAfter(9*time.Millisecond, 1)
		wantAfter(time.Millisecond, 2)
		wantAfter(100*time.Millisecond, 12)
		set(0)
		wantAfter(time.Hour, 13)
		stop()
		<-ended
	})
}
