package sidecar_test

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// timed is a load of 500 requests a second, with how long each takes.
type timed struct {
	*load
	mu sync.Mutex
	// +checklocks:mu
	took []time.Duration
}

func (g *gateway) timed(path string) *timed {
	l := &timed{load: &load{done: make(chan struct{})}}
	const workers = 5
	for range workers {
		l.workers.Go(func() {
			l.pace(10*time.Millisecond, func() (int, string, error) {
				begun := time.Now()
				status, body, err := fetch(g.url + path)
				took := time.Since(begun)
				l.mu.Lock()
				defer l.mu.Unlock()
				l.took = append(l.took, took)
				return status, body, err
			})
		})
	}
	g.t.Cleanup(func() { l.stop() })
	return l
}

// end ends the load, and reports the slowest of a hundred and of a thousand requests, in milliseconds.
func (l *timed) end(b *testing.B, what string) {
	b.Helper()
	if n, failed := l.stop(); len(failed) > 0 {
		b.Errorf("%s: %d of %d requests failed: %s", what, len(failed), n, failed[0])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.took)
	for share, name := range map[float64]string{0.5: "p50", 0.99: "p99", 0.999: "p99.9"} {
		at := l.took[min(int(share*float64(len(l.took))), len(l.took)-1)]
		b.ReportMetric(float64(at)/float64(time.Millisecond), what+"-"+name+"-ms")
	}
}

// spent is what a gateway has spent since its start.
type spent struct {
	allocated   float64 // bytes
	collections float64 // of garbage
	cpu         time.Duration
}

func (s spent) less(before spent) spent {
	return spent{s.allocated - before.allocated, s.collections - before.collections, s.cpu - before.cpu}
}

func (g *gateway) spent(b *testing.B) spent {
	b.Helper()
	cpu, _ := testserver.CPU(g.cmd.Process.Pid) // 0 where it is not known
	_, text, err := fetch(g.admin + "/debug/pprof/heap?debug=1")
	if err != nil {
		b.Fatal(err)
	}
	number := func(name string) float64 {
		m := regexp.MustCompile(`(?m)^# ` + name + ` = (\d+)$`).FindStringSubmatch(text)
		if m == nil {
			b.Fatalf("no %s in\n%s", name, text)
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return spent{number("TotalAlloc"), number("NumGC"), cpu}
}

// A document of 10,000 routes takes the place of another one while there are requests. The benchmark shows how long
// these take then, and how long without, side by side. And what a swap costs: from the write of the file until it
// serves, the processors' time of the whole process, and garbage. Each iteration is a swap, and the same time without.
func BenchmarkSwapUnderLoad(b *testing.B) {
	const each = 3 * time.Second
	endpoint := app(b, "app")
	path := filepath.Join(b.TempDir(), "gateway.yaml")
	write(b, path, tenThousand(endpoint, 5))
	g := serve(b, env{"GATEWAY_CONFIG": path, "GATEWAY_ACCESS_LOG": "off", "GATEWAY_PPROF": "true"})
	g.answers("/", http.StatusOK, "app")
	tick := time.NewTicker(each)
	defer tick.Stop()
	<-tick.C

	phase := func(what string, swap func(n int)) (took time.Duration, all spent) {
		requests, before := g.timed("/"), g.spent(b)
		for n := range b.N {
			begun := time.Now()
			swap(n)
			<-tick.C
			took += g.status().Revision.Since.Sub(begun)
		}
		requests.end(b, what)
		return took, g.spent(b).less(before)
	}
	_, quiet := phase("quiet", func(int) {})
	took, swapping := phase("swapping", func(n int) { write(b, path, tenThousand(endpoint, 6+n%2)) })
	if applied := g.status().Revision.Applied; applied != b.N+1 {
		b.Errorf("%d revisions were applied, want %d", applied, b.N+1)
	}
	swaps, cost := float64(b.N), swapping.less(quiet)
	b.ReportMetric(float64(took.Milliseconds())/swaps, "ms/swap")
	b.ReportMetric(float64(cost.cpu.Milliseconds())/swaps, "cpu-ms/swap")
	b.ReportMetric(cost.allocated/swaps/(1<<20), "garbage-MiB/swap")
	b.ReportMetric(cost.collections/swaps, "collections/swap")
	b.ReportMetric(0, "ns/op")
}
