package telemetry

import (
	"cmp"
	"slices"
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

// Rate is what was counted of one thing. Of a cluster the requests are the attempts, which may be more than the
// requests of its routes.
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

// EndpointRate is what was counted of the attempts on one endpoint within the time that [Rates] are of.
type EndpointRate struct {
	Requests uint64  `json:"requests"`
	Errors   uint64  `json:"errors"` // without a whole response, or with a status of 500 or more
	P50MS    float64 `json:"p50_ms"`
	P99MS    float64 `json:"p99_ms"`
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
