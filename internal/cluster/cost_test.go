package cluster

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// TestCostOfLargeDocuments: what a document of 512 KiB names is made in bounded memory, garbage included.
func TestCostOfLargeDocuments(t *testing.T) {
	if underRace {
		t.Skip("the race detector allocates too")
	}
	for name, tt := range map[string]struct {
		clusters []config.Cluster
		most     int // MiB
	}{
		"endpoints":     {[]config.Cluster{cfg(numbered(50_000))}, 56},
		"hash tables":   {manyClusters(100, hashOf(numbered(350))), 68},
		"single hashes": {manyClusters(100, hashOf(numbered(1))), 1},
		"clusters":      {manyClusters(13_000, cfg(numbered(1))), 48},
	} {
		s := NewSet(Options{})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for _, c := range tt.clusters {
			if _, err := s.Prepare(new(c)); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		cost := int(after.TotalAlloc-before.TotalAlloc) >> 20
		if t.Logf("%s: %d MiB", name, cost); cost > tt.most {
			t.Errorf("%s: %d MiB allocated, want at most %d", name, cost, tt.most)
		}
	}
}

// manyClusters are n alike.
func manyClusters(n int, c config.Cluster) []config.Cluster {
	all := make([]config.Cluster, n)
	for i := range all {
		all[i] = c
		all[i].Name = fmt.Sprintf("c%d", i)
	}
	return all
}

// manyQueries are clusters that each have a query of their own, but for the last one.
func manyQueries(n int) []config.Cluster {
	all := manyClusters(n, cfg(""))
	for i := range all {
		all[i].Consul = config.Consul{Service: fmt.Sprintf("s%d", min(i, n-2))}
	}
	return all
}

// TestFeedsOfQueries: feeds of the same query are found as long as a cluster has them.
func TestFeedsOfQueries(t *testing.T) {
	s := NewSet(Options{})
	var all []*Cluster
	for _, c := range manyQueries(10) {
		made, err := s.Prepare(new(c))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, made)
	}
	for _, tt := range []struct{ kept, queries int }{{10, 9}, {3, 2}, {2, 1}, {1, 1}, {0, 0}} {
		s.Retire(all[len(all)-tt.kept:])
		s.mu.Lock()
		if n := len(s.feeds); n != tt.queries {
			t.Errorf("%d clusters are kept, and feeds of %d queries, want %d", tt.kept, n, tt.queries)
		}
		s.mu.Unlock()
	}
}

// BenchmarkManyQueries is linear: each of many clusters looks for a feed of its query.
func BenchmarkManyQueries(b *testing.B) {
	all := manyQueries(12_000)
	for b.Loop() {
		s := NewSet(Options{})
		for _, c := range all {
			if _, err := s.Prepare(new(c)); err != nil {
				b.Fatal(err)
			}
		}
		s.Retire(nil)
	}
}
