package telemetry

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Label values come from documents, which may be replaced for ever, so each
// kind of name is bounded. What comes over the bound shares Overflow.
const (
	maxRoutes    = 20_000
	maxClusters  = 5_000
	maxListeners = 1_000
	maxTunnels   = 10_000
	maxReasons   = 32
	// maxCertificates is a bound without overflow: the rest is left out.
	maxCertificates = 1_000
	// maxSeries bounds the request histograms of routes and clusters together,
	// since a name has one for each method and status that it was seen with.
	maxSeries = 100_000
	// maxLabelBytes bounds one name.
	maxLabelBytes = 256
)

// Overflow is the name that is shared by all names over a bound.
const Overflow = "_overflow"

// Registry holds every instrument of one process. Route, Cluster and Listener
// get or make by name under a lock: call them when a table is built and keep
// the pointer. What they give lives as long as the registry, so that counts go
// on across revisions.
type Registry struct {
	// RevisionApplied counts revisions that came into service.
	RevisionApplied Counter
	// RevisionRolledBack counts revisions that did harm on probation.
	RevisionRolledBack Counter
	// AccessLogDropped counts lines of the access log lost to a full buffer.
	AccessLogDropped Counter
	// SpansDropped counts spans that no collector got.
	SpansDropped Counter
	// Failures has the last requests and connections that failed or were slow.
	Failures Failures
	// Panics counts the faults of the gateway itself.
	Panics Panics

	start           time.Time    // since when counters count
	limit           atomic.Int64 // of connections; 0 = not told
	series          atomic.Int64
	overflowRoute   *Route
	overflowCluster *Cluster
	faults          [numFlags]Counter
	discoveryErrors [numDiscoveryClasses]Counter
	revision        atomic.Pointer[string]
	held            atomic.Pointer[string] // the state of the revision that is held; nil = none is
	discoveryAge    atomic.Pointer[func() time.Duration]
	descriptors     atomic.Pointer[func() (used, most int64)]
	revisionAge     atomic.Pointer[func() time.Duration]
	certificates    atomic.Pointer[func() []Certificate]
	endpoints       atomic.Pointer[func(func(*Endpoint))]
	window          window

	mu sync.Mutex // guards Listener.tunnels too
	// +checklocks:mu
	routes map[string]*Route
	// +checklocks:mu
	clusters map[string]*Cluster
	// +checklocks:mu
	listeners map[listenerKey]*Listener
	// +checklocks:mu
	tunnels int
	// +checklocks:mu
	rejected map[string]*Counter
}

type listenerKey struct {
	name  string
	plane Plane
}

// Certificate is a certificate in use, for gateway.tls.certificate.expiry and gateway.certificate.expired.
type Certificate struct {
	Name     string // what an operator knows it by: its file, or its subject
	NotAfter time.Time
}

// NewRegistry makes an empty registry. Its counters count from now.
func NewRegistry() *Registry {
	r := &Registry{
		start:     time.Now(),
		routes:    map[string]*Route{},
		clusters:  map[string]*Cluster{},
		listeners: map[listenerKey]*Listener{},
		rejected:  map[string]*Counter{},
	}
	// These two also take what comes over the budget of series.
	r.overflowRoute = r.Route(Overflow)
	r.overflowCluster = r.Cluster(Overflow)
	return r
}

// Route gets or makes the instruments of a route. The empty name is for requests
// that no route matched: it is exported without http.route.
func (r *Registry) Route(name string) *Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return getOrMake(r.routes, label(name), maxRoutes, Overflow, func(name string) *Route {
		return &Route{name: name, reg: r}
	})
}

// Cluster gets or makes the instruments of a cluster.
func (r *Registry) Cluster(name string) *Cluster {
	r.mu.Lock()
	defer r.mu.Unlock()
	return getOrMake(r.clusters, label(name), maxClusters, Overflow, func(name string) *Cluster {
		return newCluster(r, name)
	})
}

// Listener gets or makes the instruments of a listener. Name and plane together are its identity. One name may stand
// for an L7 listener in one revision and for an L4 one in the next.
func (r *Registry) Listener(name string, plane Plane) *Listener {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, full := listenerKey{label(name), plane}, listenerKey{Overflow, plane}
	return getOrMake(r.listeners, key, maxListeners, full, func(key listenerKey) *Listener {
		return &Listener{name: key.name, plane: key.plane, reg: r, tunnels: map[string]*Tunnel{}}
	})
}

// tunnel gets or makes the instruments for l's connections to cluster. The bound
// is on the tunnels of all listeners, so it is counted apart from the map.
func (r *Registry) tunnel(l *Listener, cluster string) *Tunnel {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(l.tunnels)
	t := getOrMake(l.tunnels, label(cluster), before+maxTunnels-r.tunnels, Overflow, func(name string) *Tunnel {
		return &Tunnel{cluster: name, duration: histogram{bounds: tunnelBounds}}
	})
	r.tunnels += len(l.tunnels) - before
	return t
}

// Fault counts answers we made ourselves, and connections that ended badly, by
// their flag. What is counted under NoFlag is not exported.
func (r *Registry) Fault(f Flag) *Counter {
	if f >= numFlags {
		f = NoFlag
	}
	return &r.faults[f]
}

// RevisionInfo names the revision that serves; it replaces the one before.
func (r *Registry) RevisionInfo(revision string) {
	revision = label(revision)
	r.revision.Store(&revision)
}

// ConnectionLimit tells how many connections of clients may be open at a time.
func (r *Registry) ConnectionLimit(n int) { r.limit.Store(int64(n)) }

// RevisionHeld tells that a revision is held, and in which state, from a fixed set; empty = none is.
func (r *Registry) RevisionHeld(state string) {
	if state == "" {
		r.held.Store(nil)
		return
	}
	state = label(state)
	r.held.Store(&state)
}

// RevisionRejected counts revisions that were refused, by a short reason from a
// fixed set, such as "invalid". It is no place for the text of an error.
func (r *Registry) RevisionRejected(reason string) *Counter {
	r.mu.Lock()
	defer r.mu.Unlock()
	return getOrMake(r.rejected, label(reason), maxReasons, Overflow, func(string) *Counter {
		return new(Counter)
	})
}

// DiscoveryErrors counts what went wrong with the source of documents and endpoints.
func (r *Registry) DiscoveryErrors(class DiscoveryClass) *Counter {
	if class >= numDiscoveryClasses {
		class = DiscoveryServer
	}
	return &r.discoveryErrors[class]
}

// SetDescriptors gives the function that tells how many file descriptors the process has open, and may have; 0: the
// system does not tell. It is called at each collection and must not block.
func (r *Registry) SetDescriptors(f func() (used, most int64)) { r.descriptors.Store(&f) }

func (r *Registry) openDescriptors() (used, most int64) {
	if f := r.descriptors.Load(); f != nil {
		return (*f)()
	}
	return 0, 0
}

// SetDiscoveryAge gives the function that tells how long ago the source last
// answered; negative means never. A later call replaces it, nil removes the
// gauge. It runs on the exporter's goroutine and must not block.
func (r *Registry) SetDiscoveryAge(f func() time.Duration) {
	if f == nil {
		r.discoveryAge.Store(nil)
		return
	}
	r.discoveryAge.Store(&f)
}

// SetRevisionAge gives the function that tells how long ago the state that serves was written; negative means that it
// is not served from. The rules are those of SetDiscoveryAge.
func (r *Registry) SetRevisionAge(f func() time.Duration) {
	if f == nil {
		r.revisionAge.Store(nil)
		return
	}
	r.revisionAge.Store(&f)
}

// SetCertificates gives the function that lists the certificates in use; the
// rules are those of SetDiscoveryAge. The first 1,000 are exported.
func (r *Registry) SetCertificates(f func() []Certificate) {
	if f == nil {
		r.certificates.Store(nil)
		return
	}
	r.certificates.Store(&f)
}

// someCertificates are those that are exported.
func (r *Registry) someCertificates() []Certificate {
	f := r.certificates.Load()
	if f == nil {
		return nil
	}
	all := (*f)()
	return all[:min(len(all), maxCertificates)]
}

// takeSeries takes one from the budget of request histograms.
func (r *Registry) takeSeries() bool {
	// Reading first keeps an exhausted budget from being written to by every request.
	return r.series.Load() < maxSeries && r.series.Add(1) <= maxSeries
}

// getOrMake gets what m has under key or makes it. Once m has limit entries, new
// keys share the one under overflow.
func getOrMake[K comparable, V any](m map[K]*V, key K, limit int, overflow K, make func(K) *V) *V {
	if v, ok := m[key]; ok {
		return v
	}
	if len(m) >= limit {
		key = overflow
		if v, ok := m[key]; ok {
			return v
		}
	}
	v := make(key)
	m[key] = v
	return v
}

// label makes a name fit to be exported: one string that is not UTF-8 would
// make the exporter refuse the whole message.
func label(name string) string {
	if len(name) > maxLabelBytes {
		name = name[:maxLabelBytes]
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
