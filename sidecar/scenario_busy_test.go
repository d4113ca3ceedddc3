package sidecar_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// SIGTERM in the middle of full load: each client hears with an answer that its
// connection is closed, none hears it instead of an answer.
func TestEndUnderLoad(t *testing.T) {
	t.Parallel()
	for _, delay := range []string{"0s", "200ms"} {
		t.Run("delay "+delay, func(t *testing.T) {
			g := serve(t, env{"GATEWAY_APP": app(t, "app"), "GATEWAY_DRAIN_DELAY": delay, "GATEWAY_ACCESS_LOG": "off"})
			address := strings.TrimPrefix(g.url, "http://")
			var clients sync.WaitGroup
			var answered atomic.Int64
			failed := make(chan error, 32)
			for range cap(failed) {
				k := newKeeper(t, address)
				clients.Go(func() {
					for again := true; again; {
						var err error
						if again, err = k.ask(); err != nil {
							failed <- fmt.Errorf("after %d answers: %w", k.answered, err)
							return
						}
						answered.Add(1)
					}
				})
			}
			testserver.WaitFor(t, longestWait, "some load", func() bool { return answered.Load() > 2000 })
			g.signal(syscall.SIGTERM)
			clients.Wait()
			if code := g.exit(longestWait); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			close(failed)
			for err := range failed {
				t.Errorf("a request was lost %v", err)
			}
		})
	}
}
