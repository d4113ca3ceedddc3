package telemetry

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// sampleEvery is how often the counters are read, samples how many of these readings cover the last minute.
	sampleEvery = 5 * time.Second
	samples     = 13
	// mostRates bounds the names of one kind of which rates are told: the busiest.
	mostRates = 100
	// mostSampled bounds the names of one kind that a sample has. A sample of a name takes about 300 bytes.
	mostSampled = 2000
)

// Rates are what was counted within the last minute (60 to 65 seconds), or since the start if that is shorter ago.
type Rates struct {
	Seconds  float64     `json:"seconds"` // that were counted
	Total    Rate        `json:"total"`   // of all requests of HTTP
	Routes   []NamedRate `json:"routes"`  // those with requests, the busiest first, at most 100
	Clusters []NamedRate `json:"clusters"`

	Listeners    []HandshakeRate `json:"listeners"`      // those with TLS handshakes, by name
	LogLinesLost uint64          `json:"log_lines_lost"` // of the access log
}

// HandshakeRate is what was counted of the TLS handshakes with clients of one listener.
type HandshakeRate struct {
	Name   string `json:"name"`
	Done   uint64 `json:"handshakes"`
	Failed uint64 `json:"failed"`
	Reason string `json:"reason,omitempty"` // of the last that failed
}

// Rate is what was counted of one thing. Of a cluster the requests are the tries, which may be more than the requests
// of its routes.
type Rate struct {
	Requests  uint64  `json:"requests"`
	PerSecond float64 `json:"per_second"`
	// Errors are the statuses of each class ("4xx", "5xx"), the calls of gRPC that did not end with OK ("grpc"), and
	// the flags. One request may be among several of them.
	Errors map[string]uint64 `json:"errors"`
	P50MS  float64           `json:"p50_ms"`
	P99MS  float64           `json:"p99_ms"`
}

// NamedRate is the rate of a route or a cluster.
type NamedRate struct {
	Name string `json:"name"`
	Rate
}

// EndpointRate is what was counted of the tries on one endpoint within the time that [Rates] are of.
type EndpointRate struct {
	Requests uint64  `json:"requests"`
	Errors   uint64  `json:"errors"` // without a whole response, or with a status of 500 or more
	P50MS    float64 `json:"p50_ms"`
	P99MS    float64 `json:"p99_ms"`
}

// What is counted as an error beside the flags.
const (
	errors4xx = iota
	errors5xx
	errorsGRPC
	errorsFlag // and the flags from here on
	numErrors  = errorsFlag + int(numFlags)
)

// tally is what one thing has counted since the start.
type tally struct {
	distribution
	errors [numErrors]uint64
}

func (t *tally) since(before *tally) tally {
	d := tally{distribution: t.distribution.since(before.distribution), errors: t.errors}
	for i := range d.errors {
		d.errors[i] -= before.errors[i]
	}
	return d
}

// add counts what a histogram has, of responses with status.
func (t *tally) add(h *histogram, status int) {
	d := h.load()
	t.distribution.add(d)
	switch {
	case status >= 500:
		t.errors[errors5xx] += d.count()
	case status >= 400:
		t.errors[errors4xx] += d.count()
	}
}

func (t *tally) any() bool { return t.count() > 0 || t.errors != [numErrors]uint64{} }

// sample is what was counted until a moment.
type sample struct {
	at        time.Time
	total     tally
	routes    map[*Route]tally
	clusters  map[*Cluster]tally
	endpoints map[*Endpoint]endpointTally
	listeners map[*Listener]handshakeTally
	linesLost uint64
}

type handshakeTally struct{ done, failed uint64 }

type endpointTally struct {
	distribution
	failed uint64
}

// window has the samples of the last minute, the oldest first.
type window struct {
	mu sync.Mutex
	// +checklocks:mu
	samples []sample
}

// KeepRates reads the counters every five seconds, until ctx ends: what [Registry.Rates] compares with.
func (r *Registry) KeepRates(ctx context.Context) {
	again := time.NewTicker(sampleEvery)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			r.window.keep(r.sample(time.Now()))
		case <-ctx.Done():
			return
		}
	}
}

func (w *window) keep(s sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == samples {
		w.samples = slices.Delete(w.samples, 0, 1)
	}
	w.samples = append(w.samples, s)
}

// oldest is the sample with which the last minute begins; one without counts where there is none yet.
func (w *window) oldest(start time.Time) sample {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) < samples {
		return sample{at: start} // the process is younger than that
	}
	return w.samples[0]
}

// sample reads what was counted until now.
func (r *Registry) sample(now time.Time) sample {
	s := sample{
		at: now, routes: map[*Route]tally{}, clusters: map[*Cluster]tally{}, listeners: map[*Listener]handshakeTally{},
		linesLost: uint64(r.AccessLogDropped.Load()),
	}
	routes, clusters, listeners := r.named()
	for _, l := range listeners {
		if t := l.handshaken(); t != (handshakeTally{}) {
			s.listeners[l] = t
		}
	}
	for _, one := range routes {
		t := one.tally()
		s.total.distribution.add(t.distribution)
		for i, n := range t.errors {
			s.total.errors[i] += n
		}
		if len(s.routes) < mostSampled && t.any() {
			s.routes[one] = t
		}
	}
	for f := NoFlag + 1; f < numFlags; f++ {
		s.total.errors[errorsFlag+int(f)] = uint64(r.Fault(f).Load())
	}
	for _, one := range clusters {
		if t := one.tally(); len(s.clusters) < mostSampled && t.any() {
			s.clusters[one] = t
		}
	}
	if f := r.endpoints.Load(); f != nil {
		s.endpoints = map[*Endpoint]endpointTally{}
		(*f)(func(e *Endpoint) {
			if t := e.tally(); len(s.endpoints) < mostSampled && t.count() > 0 {
				s.endpoints[e] = t
			}
		})
	}
	return s
}

func (l *Listener) handshaken() (t handshakeTally) {
	for i := range l.handshakes[0] {
		t.failed += uint64(l.handshakes[0][i].Load())
		t.done += uint64(l.handshakes[1][i].Load())
	}
	return t
}

func (e *Endpoint) tally() endpointTally { return endpointTally{e.tries.load(), e.failed.Load()} }

func (r *Route) tally() (t tally) {
	r.each(func(_ Method, _ Scheme, status int, h *histogram) { t.add(h, status) })
	r.eachCall(func(code int, _ Scheme, h *histogram) {
		before := t.count()
		t.add(h, 0)
		if code != 0 {
			t.errors[errorsGRPC] += t.count() - before
		}
	})
	return t
}

func (c *Cluster) tally() (t tally) {
	t.errors[errorsFlag+int(UO)] = uint64(c.Overflow.Load()) // which was no try
	c.answered.each(func(status int, h *histogram) { t.add(h, status) })
	for f := range c.failed {
		if h := c.failed[f].Load(); h != nil {
			d := h.load()
			t.distribution.add(d)
			t.errors[errorsFlag+f] += d.count()
		}
	}
	return t
}

// Rates tells what was counted within the last minute.
func (r *Registry) Rates() Rates {
	now, then := r.sample(time.Now()), r.window.oldest(r.start)
	seconds := now.at.Sub(then.at).Seconds()
	rates := Rates{
		Seconds: round(seconds), Total: rate(now.total.since(&then.total), seconds),
		Routes:   named(now.routes, then.routes, seconds, func(r *Route) string { return r.name }),
		Clusters: named(now.clusters, then.clusters, seconds, func(c *Cluster) string { return c.name }),

		Listeners: []HandshakeRate{}, LogLinesLost: now.linesLost - then.linesLost,
	}
	for l, t := range now.listeners {
		before := then.listeners[l]
		h := HandshakeRate{Name: l.name, Done: t.done - before.done, Failed: t.failed - before.failed}
		if why := l.refused.Load(); why != nil && h.Failed > 0 {
			h.Reason = *why
		}
		if h.Done+h.Failed > 0 {
			rates.Listeners = append(rates.Listeners, h)
		}
	}
	slices.SortFunc(rates.Listeners, func(a, b HandshakeRate) int { return cmp.Compare(a.Name, b.Name) })
	return rates
}

// named are the rates of those that have counted something, the busiest first.
func named[K comparable](now, then map[K]tally, seconds float64, name func(K) string) []NamedRate {
	all := []NamedRate{}
	for k, t := range now {
		before, known := then[k]
		if !known && len(then) == mostSampled {
			continue // it may have been left out
		}
		if d := t.since(&before); d.any() {
			all = append(all, NamedRate{name(k), rate(d, seconds)})
		}
	}
	slices.SortFunc(all, func(a, b NamedRate) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), mostRates)]
}

// SetEndpoints gives the function that calls its argument with every endpoint. It is called from any goroutine and must
// not block. A later call replaces it.
func (r *Registry) SetEndpoints(each func(func(*Endpoint))) { r.endpoints.Store(&each) }

// EndpointRates tells what was counted of each endpoint within the last minute.
func (r *Registry) EndpointRates() map[*Endpoint]EndpointRate {
	now, then := r.sample(time.Now()), r.window.oldest(r.start)
	all := make(map[*Endpoint]EndpointRate, len(now.endpoints))
	for e, t := range now.endpoints {
		before, known := then.endpoints[e]
		if !known && len(then.endpoints) == mostSampled {
			continue
		}
		if d := t.since(before.distribution); d.count() > 0 {
			all[e] = EndpointRate{
				Requests: d.count(), Errors: t.failed - before.failed,
				P50MS: millis(d.quantile(requestBounds, 0.5)), P99MS: millis(d.quantile(requestBounds, 0.99)),
			}
		}
	}
	return all
}

func rate(t tally, seconds float64) Rate {
	n := t.count()
	r := Rate{
		Requests: n, Errors: map[string]uint64{}, P50MS: millis(t.quantile(requestBounds, 0.5)),
		P99MS: millis(t.quantile(requestBounds, 0.99)),
	}
	if seconds > 0 {
		r.PerSecond = round(float64(n) / seconds)
	}
	for i, n := range t.errors {
		if n > 0 {
			r.Errors[errorName(i)] = n
		}
	}
	return r
}

func errorName(i int) string {
	switch i {
	case errors4xx:
		return "4xx"
	case errors5xx:
		return "5xx"
	case errorsGRPC:
		return "grpc"
	}
	return Flag(i - errorsFlag).String()
}

// round leaves three decimals.
func round(f float64) float64 { return float64(int64(f*1000+0.5)) / 1000 }
