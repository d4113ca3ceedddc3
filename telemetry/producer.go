package telemetry

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// scopeName tells a collector whose metrics these are.
const scopeName = "github.com/fabian4/gateway-homebrew-go/telemetry"

// producer hands a registry's metrics to the SDK. It is a metric.Producer.
//
// Where a delta is wanted, it is the difference from the last collection that
// was committed, which is to say, that arrived. So what a collector that is away
// did not get is in the next message that reaches it.
type producer struct {
	registry    *Registry
	scope       instrumentation.Scope
	temporality metric.TemporalitySelector

	mu sync.Mutex
	// +checklocks:mu
	runtime goRuntime
	// +checklocks:mu
	sent state // what has arrived
	// +checklocks:mu
	taken state // what the last collection read
}

func newProducer(r *Registry, version string, t metric.TemporalitySelector) *producer {
	return &producer{
		registry:    r,
		scope:       instrumentation.Scope{Name: scopeName, Version: version},
		temporality: t,
		sent:        newState(r.start),
		taken:       newState(r.start),
	}
}

// Produce reads every instrument.
func (p *producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	c := &collection{
		scope: p.scope, temporality: p.temporality, now: now, start: p.registry.start,
		since: p.sent, seen: newState(now),
	}
	routes, clusters, listeners := p.registry.named()
	collectRoutes(c, routes)
	collectHTTP(c, listeners)
	collectUpstreamRequests(c, clusters)
	collectListeners(c, listeners, p.registry)
	collectClusters(c, clusters, p.registry)
	collectProcess(c, p.registry)
	p.runtime.collect(c)
	p.taken = c.seen
	return c.scopes, nil
}

// commit says that what Produce last gave has arrived.
func (p *producer) commit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = p.taken
}

// named is all that has a name, each kind in the order of its names so that two
// exports look alike.
func (r *Registry) named() (routes []*Route, clusters []*Cluster, listeners []*Listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return byName(r.routes), byName(r.clusters), slices.Collect(maps.Values(r.listeners))
}

func byName[V any](m map[string]*V) []*V {
	all := make([]*V, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[name])
	}
	return all
}
