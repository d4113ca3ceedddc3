package consul

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
)

// A service whose first response takes four seconds, while Consul answers all else at once, is known after four
// seconds. Nobody gives the request up in between.
func TestSlowFirstResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const slow = 4 * time.Second
		ctx, cancel := context.WithCancel(t.Context())
		m := &monitor{
			probe: func(context.Context, bool) error { return nil }, reconnect: func() {},
			followers: map[follower]*followed{},
		}
		begun, told := time.Now(), make(chan time.Duration, 1)
		w := &watch[string]{
			fetch: func(ctx context.Context, o fetchOptions) (result[string], error) {
				if o.index > 0 {
					<-ctx.Done()
					return result[string]{}, ctx.Err()
				}
				answer := time.NewTimer(slow)
				defer answer.Stop()
				select {
				case <-answer.C:
					return result[string]{value: "a", index: 7}, nil
				case <-ctx.Done():
					return result[string]{}, ctx.Err()
				}
			},
			same:    func(a, b string) bool { return a == b },
			deliver: func(context.Context, result[string]) { told <- time.Since(begun) },
			limiter: newLimiter(healthBurst, healthEvery), wait: time.Minute, peers: m,
			tracker: discovery.NewTracker(nil, "test"), woken: make(chan struct{}, 1),
		}
		defer m.enlist(w)()
		var running sync.WaitGroup
		running.Go(func() { m.run(ctx) })
		running.Go(func() { w.run(ctx) })
		if took := <-told; took > slow+100*time.Millisecond {
			t.Errorf("known after %v, want %v", took, slow)
		}
		cancel()
		running.Wait()
	})
}
