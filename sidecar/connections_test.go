package sidecar

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

func TestConnectionsOfADescriptorLimit(t *testing.T) {
	f := func(limit int64, want int) {
		t.Helper()
		if got := connectionsFor(limit); got != want {
			t.Errorf("connectionsFor(%d) = %d, want %d", limit, got, want)
		}
	}
	f(1<<40, manyConnections)
	f(1_048_576, 524_256)
	f(1024, 480)
	f(256, 96)
	f(66, 1)
	f(64, 1)
	f(0, 1)
}

func TestTooManyConnections(t *testing.T) {
	f := func(n int, limit int64, want string) {
		t.Helper()
		if got := tooManyConnections(n, limit); got != want {
			t.Errorf("tooManyConnections(%d, %d) = %q, want %q", n, limit, got, want)
		}
	}
	f(0, 66, "") // the default, which is computed
	f(0, 65, "the process may open 65 files, which is too few for one connection (two for it, 64 for the rest): raise "+
		"the limit (LimitNOFILE=, ulimit -n) to 576 or more")
	f(480, 1024, "")
	f(481, 1024,
		"the process may open 1024 files, which is enough for 480 connections (two for each, 64 for the rest): "+
			"write 480 or less, or raise the limit (LimitNOFILE=, ulimit -n) to 1026")
}

// TestEachConnectionHasTwo: of as many connections as are accepted, each can have one to an endpoint. The process's own
// descriptors are not taken from theirs.
func TestEachConnectionHasTwo(t *testing.T) {
	for _, limit := range []int64{66, 80, 100, 256, 1024, 20000} {
		most := connectionsFor(limit)
		need, have := int64(2*most+fdOwn), trafficDescriptors(limit)
		if need > have || have > limit-adminConnections-8 {
			t.Errorf("limit %d: %d connections need %d descriptors and may have %d", limit, most, need, have)
		}
	}
}

// TestConnectionLimitIsTold: that clients wait, and that they do no more, each once; a limit that is touched again and
// again is told once a minute.
func TestConnectionLimitIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log testserver.Log
		var all atomic.Uint64
		var waiting atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go watchLimit(ctx, log.Logger(), 7, func() (uint64, int64) { return all.Load(), waiting.Load() })
		after := func(d time.Duration, reached, free int) {
			t.Helper()
			<-time.After(d)
			synctest.Wait()
			text := log.String()
			r, f := strings.Count(text, "connection limit reached"), strings.Count(text, "below the limit again")
			if r != reached || f != free {
				t.Fatalf("after %v: %d lines of the limit being reached and %d of its end, want %d and %d:\n%s", d, r,
					f,
					reached, free, text)
			}
		}
		after(time.Hour, 0, 0)
		all.Add(1) // a client that waited for less than the time between two looks
		after(2*time.Second, 1, 0)
		after(10*time.Second, 1, 1)
		waiting.Store(1)
		after(10*time.Second, 1, 1) // again within a minute: not yet
		after(time.Minute, 2, 1)    // it still is
		after(10*time.Minute, 2, 1)
		waiting.Store(0)
		after(4*time.Second, 2, 1)
		after(2*time.Second, 2, 2)
		for range 60 { // up and down, once a second for a minute each
			all.Add(100)
			after(limitEvery, 3, 2)
		}
		if text := log.String(); !strings.Contains(text, "limit=7") || !strings.Contains(text, "held=") {
			t.Errorf("the lines lack how many, or for how long:\n%s", text)
		}
	})
}
