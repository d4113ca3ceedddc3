package cluster

import (
	"fmt"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// cycle is what one request does: Pick, Take, Put, Done.
func cycle(c *Cluster, tried *Tried) {
	e, err := c.Pick(tried)
	if err != nil {
		panic(err)
	}
	k := e.Take()
	if k == nil {
		k = &conn{}
	}
	e.Put(k, 0)
	e.Done(Success)
}

func BenchmarkCycle(b *testing.B) {
	for _, balance := range []string{config.BalanceWRR, config.BalanceLeastRequest, config.BalanceRandom} {
		for _, n := range []int{1, 3, 16, 100, 1000} {
			b.Run(fmt.Sprintf("%s/%d", balance, n), func(b *testing.B) {
				cl := cfg("")
				cl.Balance = balance
				for i := range n {
					cl.Endpoints = append(cl.Endpoints,
						config.Endpoint{Address: fmt.Sprintf("10.0.0.%d:80", i), Weight: 1 + i%3})
				}
				_, c := newCluster(b, cl)
				b.ReportAllocs()
				for b.Loop() {
					cycle(c, nil)
				}
			})
		}
	}
}

// BenchmarkCycleParallel shows what the balancer's lock costs when all processors want it.
func BenchmarkCycleParallel(b *testing.B) {
	_, c := newCluster(b, cfg("a*5 b c"))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			cycle(c, nil)
		}
	})
}

// BenchmarkTick is what a tenth of a second costs where many clusters have nothing to do.
func BenchmarkTick(b *testing.B) {
	consul := cfg("")
	consul.Consul = config.Consul{Service: "a"}
	for name, one := range map[string]config.Cluster{"static": cfg("a b c"), "of Consul": consul} {
		b.Run(name, func(b *testing.B) {
			s := NewSet(Options{})
			var all []*Cluster
			for _, c := range manyClusters(10_000, one) {
				prepared, err := s.Prepare(new(c))
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, prepared)
			}
			s.Retire(all)
			b.ReportAllocs()
			for b.Loop() {
				s.Tick()
			}
		})
	}
}
