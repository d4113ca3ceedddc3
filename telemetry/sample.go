package telemetry

import (
	"context"
	"slices"
	"sync"
	"time"
)

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

	connections map[*Listener]Outcomes // of L4
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
		linesLost: uint64(r.AccessLogDropped.Load()), connections: map[*Listener]Outcomes{},
	}
	routes, clusters, listeners := r.named()
	for _, l := range listeners {
		if t := l.handshaken(); t != (handshakeTally{}) {
			s.listeners[l] = t
		}
		if o := l.Outcomes(); l.plane == L4 && o.Requests > 0 {
			s.connections[l] = o
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

func (e *Endpoint) tally() endpointTally {
	return endpointTally{e.attempts.load(), uint64(e.errors.Load())}
}

func (r *Route) tally() (t tally) {
	r.each(func(_ Method, _ Scheme, status int, h *histogram) { t.add(h, status) })
	r.eachCall(func(code int, _ Scheme, h *histogram) {
		before := t.count()
		t.add(h, 0)
		if code != 0 {
			t.errors[errorsGRPC] += t.count() - before
		}
	})
	for f, n := range r.Faults.Load() {
		t.errors[errorsFlag+f] = n
	}
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
