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

func TestTooManyConnections(t *testing.T) {
	f := func(n int, limit int64, want string) {
		t.Helper()
		if got := tooManyConnections(n, limit); got != want {
			t.Errorf("tooManyConnections(%d, %d) = %q, want %q", n, limit, got, want)
		}
	}
	f(0, 10, "") // the default, which is computed
	f(480, 1024, "")
	f(481, 1024, "the process may open 1024 files, which is enough for 480 connections (two for each, 64 for the rest): "+
		"write 480 or less, or raise the limit (LimitNOFILE=, ulimit -n) to 1026")
}
