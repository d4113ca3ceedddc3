package netio

import (
	"context"
	"time"
)

// Every calls look once in a period until ctx ends. look reports for how many connections it cares. With none of them
// Every rests until wake holds a token. Who adds the first connection puts one in, after it was added.
func Every(ctx context.Context, period time.Duration, wake <-chan struct{}, look func() int) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if look() > 0 {
			continue
		}
		t.Stop()
		select {
		case <-ctx.Done():
			return
		case <-wake:
		}
		t.Reset(period)
	}
}
