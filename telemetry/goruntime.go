package telemetry

import (
	"runtime/metrics"

	"go.opentelemetry.io/otel/attribute"
)

// goRuntime reads the few figures of the Go runtime that tell a leak from a
// busy day. The zero value is ready.
type goRuntime struct {
	samples                []metrics.Sample
	allocated, allocations Counter // what the runtime counted, so that deltas work as elsewhere
}

// The order of the samples.
const (
	sampleTotal = iota
	sampleReleased
	sampleStacks
	sampleAllocated
	sampleAllocations
	sampleGoal
	sampleGoroutines
)

var sampleNames = []string{
	sampleTotal:       "/memory/classes/total:bytes",
	sampleReleased:    "/memory/classes/heap/released:bytes",
	sampleStacks:      "/memory/classes/heap/stacks:bytes",
	sampleAllocated:   "/gc/heap/allocs:bytes",
	sampleAllocations: "/gc/heap/allocs:objects",
	sampleGoal:        "/gc/heap/goal:bytes",
	sampleGoroutines:  "/sched/goroutines:goroutines",
}

// read is the value of a sample, 0 where this runtime does not have it.
func (g *goRuntime) read(sample int) int64 {
	if v := g.samples[sample].Value; v.Kind() == metrics.KindUint64 {
		return int64(v.Uint64())
	}
	return 0
}

func (g *goRuntime) collect(c *collection) {
	if g.samples == nil {
		for _, name := range sampleNames {
			g.samples = append(g.samples, metrics.Sample{Name: name})
		}
	}
	metrics.Read(g.samples)
	g.allocated.n.Store(g.read(sampleAllocated))
	g.allocations.n.Store(g.read(sampleAllocations))

	stacks := g.read(sampleStacks)
	other := g.read(sampleTotal) - g.read(sampleReleased) - stacks
	c.levels(goMemoryUsed, func(add func(int64, ...attribute.KeyValue)) {
		add(stacks, attrMemoryType.String("stack"))
		add(other, attrMemoryType.String("other"))
	})
	c.counters(goMemoryAllocated, func(add func(*Counter, ...attribute.KeyValue)) { add(&g.allocated) })
	c.counters(goMemoryAllocations, func(add func(*Counter, ...attribute.KeyValue)) { add(&g.allocations) })
	c.levels(goMemoryGCGoal, func(add func(int64, ...attribute.KeyValue)) { add(g.read(sampleGoal)) })
	c.levels(goGoroutineCount, func(add func(int64, ...attribute.KeyValue)) { add(g.read(sampleGoroutines)) })
}
