package telemetry

import (
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Endpoint is what is measured of one endpoint of a cluster. Its rates of the last minute are no metric: there may be
// more endpoints than time series are good for. Its errors are (gateway.endpoint.errors), once there was one.
type Endpoint struct {
	cluster, address string

	attempts histogram
	errors   Counter
}

// NewEndpoint makes the counters of an endpoint of the cluster of that name.
func NewEndpoint(cluster, address string) *Endpoint {
	return &Endpoint{cluster: label(cluster), address: label(address), attempts: histogram{bounds: requestBounds}}
}

// Record counts one attempt that took d, and whether it failed: without a whole response, or with a status of 500 or
// more.
func (e *Endpoint) Record(d time.Duration, failed bool) {
	e.attempts.record(d)
	if failed {
		e.errors.Inc()
	}
}

// maxFailing bounds the endpoints whose errors are exported. As with certificates, the rest is left out.
const maxFailing = 1_000

// eachFailing adds the errors of the endpoints that had any, by cluster and address.
func (r *Registry) eachFailing(add func(*Counter, ...attribute.KeyValue)) {
	f := r.endpoints.Load()
	if f == nil {
		return
	}
	var all []*Endpoint
	(*f)(func(e *Endpoint) {
		if e.errors.Load() > 0 {
			all = append(all, e)
		}
	})
	slices.SortFunc(all, func(a, b *Endpoint) int {
		return cmp.Or(cmp.Compare(a.cluster, b.cluster), cmp.Compare(a.address, b.address))
	})
	for _, e := range all[:min(len(all), maxFailing)] {
		add(&e.errors, attrCluster.String(e.cluster), attrEndpoint.String(e.address))
	}
}
