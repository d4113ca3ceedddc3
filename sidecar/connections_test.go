package sidecar

import "testing"

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
