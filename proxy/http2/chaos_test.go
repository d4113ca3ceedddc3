package http2

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// TestChaos cancels, aborts and ends early in numbers, from all sides, while honest requests run among them on the same
// upstream connection.
func TestChaos(t *testing.T) {
	testserver.Goroutines(t)
	g := &gateway{t: t, sw: newSweeper(t), addr: upstream(t), o: Options{StallTimeout: 5 * time.Second}}
	t.Cleanup(g.close)
	base := "http://" + serveOn(t, g, Options{StallTimeout: 5 * time.Second})
	ctx, stop := context.WithCancel(t.Context())
	var noise, honest sync.WaitGroup
	for range 3 {
		tr := transport(t, nil)
		noise.Go(func() {
			for ctx.Err() == nil {
				one, cancel := context.WithTimeout(ctx, time.Duration(rand.IntN(8))*time.Millisecond)
				path := []string{"/echo", "/abort", "/early", "/empty"}[rand.IntN(4)]
				req, _ := http.NewRequestWithContext(one, "POST", base+path,
					io.LimitReader(zeros{}, int64(rand.IntN(300_000))))
				if resp, err := tr.RoundTrip(req); err == nil {
					_, _ = io.CopyN(io.Discard, resp.Body, int64(rand.IntN(2_000_000)))
					resp.Body.Close()
				}
				cancel()
			}
		})
	}
	for range 3 {
		tr := transport(t, nil)
		honest.Go(func() {
			for range 15 {
				if err := exchangeBody(t, tr, base+"/echo", rand.IntN(100_000), 0); err != nil {
					t.Errorf("honest request: %v", err)
					return
				}
			}
		})
	}
	honest.Wait()
	stop()
	noise.Wait()
	up := g.client()
	testserver.WaitFor(t, patience, "the streams on the upstream connection to end",
		func() bool { return up.active() == 0 })
	up.mu.Lock()
	defer up.mu.Unlock()
	if missing := up.opt.ConnWindow - up.flow.window - up.flow.credit; missing != 0 {
		t.Errorf("%d bytes of the connection's window were never given back", missing)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
