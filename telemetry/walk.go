package telemetry

import (
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// The walk over the registry: which counter goes out under which instrument and
// with which attributes.

func collectRoutes(c *collection, routes []*Route) {
	c.histograms(serverDuration, func(add func(*histogram, ...attribute.KeyValue)) {
		for _, r := range routes {
			r.each(func(m Method, s Scheme, status int, h *histogram) {
				add(h, r.attributes(m, s, status)...)
			})
			r.eachCall(func(code int, s Scheme, h *histogram) {
				add(h, r.callAttributes(code, s)...)
			})
		}
	})
}

// attributes follow the HTTP conventions: only 5xx are errors of a server.
func (r *Route) attributes(m Method, s Scheme, status int) []attribute.KeyValue {
	attrs := []attribute.KeyValue{attrMethod.String(m.String()), attrScheme.String(s.String())}
	if r.name != "" {
		attrs = append(attrs, attrRoute.String(r.name))
	}
	return append(attrs, statusAttributes(status, 500)...)
}

// statusAttributes are the status and, from firstError on, the error type.
func statusAttributes(status, firstError int) []attribute.KeyValue {
	if status == 0 {
		return []attribute.KeyValue{attrErrorType.String(noStatusType)}
	}
	attrs := []attribute.KeyValue{attrStatus.Int(status)}
	if status >= firstError {
		attrs = append(attrs, attrErrorType.String(strconv.Itoa(status)))
	}
	return attrs
}

func collectHTTP(c *collection, listeners []*Listener) {
	c.levels(activeRequests, func(add func(int64, ...attribute.KeyValue)) {
		for _, l := range listeners {
			for i := range l.requests {
				if u := l.requests[i].Load(); u != nil {
					m, s := methodAndScheme(i)
					add(u.Load(), attrListener.String(l.name), attrMethod.String(m.String()),
						attrScheme.String(s.String()))
				}
			}
		}
	})
}

// collectUpstreamRequests also follows the conventions, by which 4xx too are
// errors of a client, which is what we are to an endpoint.
func collectUpstreamRequests(c *collection, clusters []*Cluster) {
	c.histograms(clientDuration, func(add func(*histogram, ...attribute.KeyValue)) {
		for _, cl := range clusters {
			cluster := attrCluster.String(cl.name)
			cl.answered.each(func(status int, h *histogram) {
				add(h, append(statusAttributes(status, 400), cluster)...)
			})
			for f := range cl.failed {
				if h := cl.failed[f].Load(); h != nil {
					add(h, cluster, attrErrorType.String(failureType(Flag(f))))
				}
			}
		}
	})
}

// failureType is the error.type of an attempt that got no response: the flag that the
// access log has for it.
func failureType(f Flag) string {
	if f == NoFlag {
		return noStatusType
	}
	return f.String()
}

func collectListeners(c *collection, listeners []*Listener, r *Registry) {
	c.levels(connections, func(add func(int64, ...attribute.KeyValue)) {
		for _, l := range listeners {
			add(l.Active.Load(), l.attributes()...)
		}
	})
	c.counters(connectionsAccepted, func(add func(*Counter, ...attribute.KeyValue)) {
		for _, l := range listeners {
			add(&l.Accepted, l.attributes()...)
		}
	})
	gauges(c, connectionsLimit, func(add func(int64, ...attribute.KeyValue)) {
		if n := r.limit.Load(); n > 0 {
			add(n)
		}
	})
	c.counters(l4IO, func(add func(*Counter, ...attribute.KeyValue)) {
		r.eachTunnel(listeners, func(t *Tunnel, attrs ...attribute.KeyValue) {
			add(&t.ToUpstream, append(attrs, attrDirection.String("upstream"))...)
			add(&t.ToDownstream, append(attrs, attrDirection.String("downstream"))...)
		})
	})
	c.histograms(l4Duration, func(add func(*histogram, ...attribute.KeyValue)) {
		r.eachTunnel(listeners, func(t *Tunnel, attrs ...attribute.KeyValue) { add(&t.duration, attrs...) })
	})
	c.counters(tlsHandshakes, func(add func(*Counter, ...attribute.KeyValue)) {
		for _, l := range listeners {
			l.eachHandshake(add)
		}
	})
}

func (l *Listener) attributes() []attribute.KeyValue {
	return []attribute.KeyValue{attrListener.String(l.name), attrPlane.String(l.plane.String())}
}

// eachHandshake leaves out what never happened: most listeners have no TLS.
func (l *Listener) eachHandshake(add func(*Counter, ...attribute.KeyValue)) {
	for done, result := range []string{"error", "ok"} {
		for v := range l.handshakes[done] {
			n := &l.handshakes[done][v]
			if n.Load() == 0 {
				continue
			}
			attrs := []attribute.KeyValue{attrListener.String(l.name), attrResult.String(result)}
			if v != 0 {
				attrs = append(attrs, attrTLSVersion.String(tlsVersions[v]))
			}
			add(n, attrs...)
		}
	}
}

// eachTunnel calls f, which must not ask the registry for anything, for every tunnel.
func (r *Registry) eachTunnel(listeners []*Listener, f func(*Tunnel, ...attribute.KeyValue)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range listeners {
		for _, t := range byName(l.tunnels) {
			f(t, attrListener.String(l.name), attrCluster.String(t.cluster))
		}
	}
}

func collectClusters(c *collection, clusters []*Cluster, r *Registry) {
	c.histograms(connectDuration, func(add func(*histogram, ...attribute.KeyValue)) {
		for _, cl := range clusters {
			add(&cl.connected, attrCluster.String(cl.name))
			add(&cl.refused, attrCluster.String(cl.name), attrErrorType.String(failureType(UF)))
		}
	})
	each := func(counter func(*Cluster) *Counter) func(func(*Counter, ...attribute.KeyValue)) {
		return func(add func(*Counter, ...attribute.KeyValue)) {
			for _, cl := range clusters {
				add(counter(cl), attrCluster.String(cl.name))
			}
		}
	}
	c.counters(upstreamRetries, each(func(cl *Cluster) *Counter { return &cl.Retries }))
	c.counters(upstreamOverflow, each(func(cl *Cluster) *Counter { return &cl.Overflow }))
	c.counters(mirrorDropped, func(add func(*Counter, ...attribute.KeyValue)) {
		for _, cl := range clusters {
			cl.Mirror.each(attrCluster.String(cl.name), add)
		}
	})
	c.counters(upstreamEjections, each(func(cl *Cluster) *Counter { return &cl.Ejections }))
	gauges(c, upstreamEndpoints, func(add func(int64, ...attribute.KeyValue)) {
		for _, cl := range clusters {
			if f := cl.endpoints.Load(); f != nil {
				cluster := attrCluster.String(cl.name)
				healthy, ejected, unhealthy := (*f)()
				add(int64(healthy), cluster, attrState.String("healthy"))
				add(int64(ejected), cluster, attrState.String("ejected"))
				add(int64(unhealthy), cluster, attrState.String("unhealthy"))
			}
		}
	})
	c.counters(endpointErrors, r.eachFailing)
	truths := func(is func(*Cluster) *atomic.Pointer[func() bool]) func(func(int64, ...attribute.KeyValue)) {
		return func(add func(int64, ...attribute.KeyValue)) {
			for _, cl := range clusters {
				if f := is(cl).Load(); f != nil {
					add(oneIf((*f)()), attrCluster.String(cl.name))
				}
			}
		}
	}
	gauges(c, upstreamPanic, truths(func(cl *Cluster) *atomic.Pointer[func() bool] { return &cl.panicking }))
	gauges(c, failoverActive, truths(func(cl *Cluster) *atomic.Pointer[func() bool] { return &cl.failover }))
	gauges(c, preferShare, func(add func(float64, ...attribute.KeyValue)) {
		for _, cl := range clusters {
			if f := cl.near.Load(); f != nil {
				add((*f)(), attrCluster.String(cl.name))
			}
		}
	})
	gauges(c, upstreamHeld, func(add func(int64, ...attribute.KeyValue)) {
		for _, cl := range clusters {
			if f := cl.held.Load(); f != nil {
				add(int64((*f)()), attrCluster.String(cl.name))
			}
		}
	})
}

func collectProcess(c *collection, r *Registry) {
	c.counters(faults, func(add func(*Counter, ...attribute.KeyValue)) {
		for f := NoFlag + 1; f < numFlags; f++ {
			add(&r.faults[f], attrFlag.String(f.String()))
		}
	})
	c.counters(panicsRecovered, func(add func(*Counter, ...attribute.KeyValue)) {
		for plane := range numPlanes {
			add(&r.Panics.counts[plane], attrPlane.String(plane.String()))
		}
	})
	used, most := r.openDescriptors()
	gauges(c, descriptors, known(used))
	gauges(c, descriptorsLimit, known(most))
	certificates := r.someCertificates()
	gauges(c, certificateExpiry, func(add func(float64, ...attribute.KeyValue)) {
		for _, cert := range certificates {
			add(cert.NotAfter.Sub(c.now).Seconds(), attrCertificate.String(label(cert.Name)))
		}
	})
	gauges(c, certificateExpired, func(add func(int64, ...attribute.KeyValue)) {
		for _, cert := range certificates {
			add(oneIf(!c.now.Before(cert.NotAfter)), attrCertificate.String(label(cert.Name)))
		}
	})
	gauges(c, revisionInfo, func(add func(int64, ...attribute.KeyValue)) {
		if revision := r.revision.Load(); revision != nil {
			add(1, attrRevision.String(*revision))
		}
	})
	c.counters(revisionApplied, func(add func(*Counter, ...attribute.KeyValue)) { add(&r.RevisionApplied) })
	c.counters(revisionRejected, r.eachRejected)
	gauges(c, revisionHeld, func(add func(int64, ...attribute.KeyValue)) {
		if state := r.held.Load(); state != nil {
			add(1, attrState.String(*state))
		} else {
			add(0)
		}
	})
	c.counters(revisionRolledBack, func(add func(*Counter, ...attribute.KeyValue)) { add(&r.RevisionRolledBack) })
	ages(c, revisionAge, &r.revisionAge)
	c.counters(discoveryErrors, func(add func(*Counter, ...attribute.KeyValue)) {
		for class := range numDiscoveryClasses {
			add(&r.discoveryErrors[class], attrErrorType.String(class.String()))
		}
	})
	ages(c, discoveryAge, &r.discoveryAge)
	c.counters(accessLogDropped, func(add func(*Counter, ...attribute.KeyValue)) { add(&r.AccessLogDropped) })
	c.counters(spansDropped, func(add func(*Counter, ...attribute.KeyValue)) { add(&r.SpansDropped) })
}

// oneIf is 1 for what is true, as metrics have it.
func oneIf(is bool) int64 {
	if is {
		return 1
	}
	return 0
}

// known exports a number, unless it is 0: the system does not tell.
func known(n int64) func(add func(int64, ...attribute.KeyValue)) {
	return func(add func(int64, ...attribute.KeyValue)) {
		if n > 0 {
			add(n)
		}
	}
}

// ages exports how long something is ago; negative means that there is nothing to export.
func ages(c *collection, what instrument, from *atomic.Pointer[func() time.Duration]) {
	gauges(c, what, func(add func(float64, ...attribute.KeyValue)) {
		if f := from.Load(); f != nil {
			if age := (*f)(); age >= 0 {
				add(age.Seconds())
			}
		}
	})
}

func (r *Registry) eachRejected(add func(*Counter, ...attribute.KeyValue)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, reason := range slices.Sorted(maps.Keys(r.rejected)) {
		add(r.rejected[reason], attrReason.String(reason))
	}
}
