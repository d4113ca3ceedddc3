package telemetry

import (
	"sync/atomic"
	"time"
)

// Endpoint is what is measured of one endpoint, for the rates of the last minute. It is no metric: there may be more
// endpoints than a time series is good for.
type Endpoint struct {
	attempts histogram
	failed   atomic.Uint64
}

// NewEndpoint makes the counters of an endpoint.
func NewEndpoint() *Endpoint { return &Endpoint{attempts: histogram{bounds: requestBounds}} }

// Record counts one attempt that took d, and whether it failed: without a whole response, or with a status of 500 or
// more.
func (e *Endpoint) Record(d time.Duration, failed bool) {
	e.attempts.record(d)
	if failed {
		e.failed.Add(1)
	}
}
