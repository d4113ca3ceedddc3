package telemetry

import (
	"sync/atomic"
	"time"
)

// numServerSeries is how many pairs of method and scheme there are.
const numServerSeries = int(numMethods) * int(numSchemes)

// Route is what is measured of one route: http.server.request.duration.
type Route struct {
	name   string
	reg    *Registry
	series [numServerSeries]atomic.Pointer[byStatus]
	calls  [numSchemes]atomic.Pointer[byStatus] // of gRPC, by code: see call.go

	// Faults counts its requests that ended badly.
	Faults Faults
}

// Record counts one request that was answered with status after d, from its
// first byte to the last byte of the response. Once a combination of method,
// status and scheme was seen, it neither allocates nor locks.
func (r *Route) Record(m Method, status int, s Scheme, d time.Duration) {
	b := r.series[seriesIndex(m, s)].Load()
	if b == nil || !b.record(status, d) {
		r.recordFirst(m, status, s, d)
	}
}

// recordFirst makes the series and records in it. When the process has as many
// series as it may have, the overflow route (which is exempt) takes the record.
func (r *Route) recordFirst(m Method, status int, s Scheme, d time.Duration) {
	if r != r.reg.overflowRoute && !r.reg.takeSeries() {
		r.reg.overflowRoute.Record(m, status, s, d)
		return
	}
	slot := &r.series[seriesIndex(m, s)]
	slot.CompareAndSwap(nil, new(byStatus))
	slot.Load().grow(status)
	slot.Load().record(status, d)
}

// Requests is how many requests this route has answered since the process began. It adds up the series, which is too
// much for every request: tests count by it.
func (r *Route) Requests() (n int64) {
	r.each(func(_ Method, _ Scheme, _ int, h *histogram) { n += int64(h.load().count()) })
	r.eachCall(func(_ int, _ Scheme, h *histogram) { n += int64(h.load().count()) })
	return n
}

// each calls f for every series of this route.
func (r *Route) each(f func(m Method, s Scheme, status int, h *histogram)) {
	for i := range r.series {
		b := r.series[i].Load()
		if b == nil {
			continue
		}
		m, s := methodAndScheme(i)
		b.each(func(status int, h *histogram) { f(m, s, status, h) })
	}
}

// seriesIndex also keeps values that are no constant of ours inside the array.
func seriesIndex(m Method, s Scheme) int {
	if m >= numMethods {
		m = MethodOther
	}
	if s >= numSchemes {
		s = SchemeHTTP
	}
	return int(m)*int(numSchemes) + int(s)
}

// methodAndScheme is what seriesIndex was made of.
func methodAndScheme(i int) (Method, Scheme) {
	return Method(i / int(numSchemes)), Scheme(i % int(numSchemes))
}
