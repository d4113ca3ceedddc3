package telemetry

import (
	"sync/atomic"
	"time"
)

// Cluster is what is measured of one cluster, by both planes.
type Cluster struct {
	name string
	reg  *Registry

	// Retries counts attempts after the first (gateway.upstream.retries).
	Retries Counter
	// Overflow counts what a limit of the cluster refused (gateway.upstream.overflow).
	Overflow Counter
	// Ejections counts endpoints taken out for failing (gateway.upstream.ejections).
	Ejections Counter

	// Mirror is about the copies of requests that the cluster gets.
	Mirror MirrorCounters

	answered  byStatus                            // http.client.request.duration with a status
	failed    [numFlags]atomic.Pointer[histogram] // the same for attempts that got no response
	connected histogram                           // gateway.upstream.connect.duration
	refused   histogram                           // the same for connects that did not work
	endpoints atomic.Pointer[func() (int, int, int)]
	panicking atomic.Pointer[func() bool]
	failover  atomic.Pointer[func() bool]
	near      atomic.Pointer[func() float64]
	held      atomic.Pointer[func() int]
}

func newCluster(r *Registry, name string) *Cluster {
	return &Cluster{
		name: name, reg: r,
		connected: histogram{bounds: requestBounds},
		refused:   histogram{bounds: requestBounds},
	}
}

// RecordRequest counts one attempt that an endpoint answered with status after d,
// from the first byte sent to the last byte of the response. Once a status was
// seen, it neither allocates nor locks.
func (c *Cluster) RecordRequest(status int, d time.Duration) {
	if c.answered.record(status, d) {
		return
	}
	if c != c.reg.overflowCluster && !c.reg.takeSeries() {
		c.reg.overflowCluster.RecordRequest(status, d)
		return
	}
	c.answered.grow(status)
	c.answered.record(status, d)
}

// RecordFailure counts one attempt that got no whole response: it goes to the same
// histogram, with the flag as error.type and without a status.
func (c *Cluster) RecordFailure(f Flag, d time.Duration) {
	if f >= numFlags {
		f = NoFlag
	}
	slot := &c.failed[f]
	if slot.Load() == nil {
		slot.CompareAndSwap(nil, &histogram{bounds: requestBounds})
	}
	slot.Load().record(d)
}

// RecordConnect counts one attempt to connect to an endpoint (TCP, and TLS if
// the cluster wants it) and how it ended.
func (c *Cluster) RecordConnect(d time.Duration, ok bool) {
	if ok {
		c.connected.record(d)
		return
	}
	c.refused.record(d)
}

// SetEndpoints gives the function that is asked for the number of endpoints by
// state at each collection. A later call replaces it, nil removes it (and the
// gauge with it). It is called from the exporter's goroutine and must not block.
// The shared cluster of the overflow ignores it: it is many clusters.
func (c *Cluster) SetEndpoints(f func() (healthy, ejected, unhealthy int)) {
	if f == nil || c == c.reg.overflowCluster {
		c.endpoints.Store(nil)
		return
	}
	g := (func() (int, int, int))(f)
	c.endpoints.Store(&g)
}

// SetPanic gives the function that tells whether the cluster uses endpoints that
// are not healthy because none is; the rules are those of SetEndpoints.
func (c *Cluster) SetPanic(f func() bool) {
	if f == nil || c == c.reg.overflowCluster {
		c.panicking.Store(nil)
		return
	}
	c.panicking.Store(&f)
}

// SetFailover gives the function that tells whether another cluster stands in for this one (gateway.failover.active);
// the rules are those of SetEndpoints.
func (c *Cluster) SetFailover(f func() bool) {
	if f == nil || c == c.reg.overflowCluster {
		c.failover.Store(nil)
		return
	}
	c.failover.Store(&f)
}

// SetNear gives the function that tells which share of the requests, from 0 to 1, goes to the endpoints that the
// cluster prefers (gateway.prefer.share). The rules are those of SetEndpoints.
func (c *Cluster) SetNear(f func() float64) {
	if f == nil || c == c.reg.overflowCluster {
		c.near.Store(nil)
		return
	}
	c.near.Store(&f)
}

// SetHeld gives the function that tells how many endpoints are held though the catalog lost them; the
// rules are those of SetEndpoints.
func (c *Cluster) SetHeld(f func() int) {
	if f == nil || c == c.reg.overflowCluster {
		c.held.Store(nil)
		return
	}
	c.held.Store(&f)
}
