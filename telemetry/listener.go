package telemetry

import (
	"sync/atomic"
	"time"
)

// Listener is what is measured of one listener.
type Listener struct {
	name  string
	plane Plane
	reg   *Registry

	// Accepted counts connections accepted (gateway.connections.accepted).
	Accepted Counter
	// Active is how many of them are open (gateway.connections).
	Active UpDown
	// Faults counts connections of L4 that ended badly.
	Faults Faults

	requests   [numServerSeries]atomic.Pointer[UpDown] // http.server.active_requests
	handshakes [2][numTLSVersions]Counter              // by failed/done, then version
	refused    atomic.Pointer[string]                  // why the last handshake that failed did; nil: none has
	tunnels    map[string]*Tunnel                      // by cluster; guarded by reg.mu
}

// Tunnel is what is measured of the L4 connections of one listener to one
// cluster. Bytes are counted while they flow, not at the end.
type Tunnel struct {
	cluster string

	// ToUpstream counts bytes from clients to endpoints (gateway.l4.io).
	ToUpstream Counter
	// ToDownstream counts bytes from endpoints to clients (gateway.l4.io).
	ToDownstream Counter

	duration histogram // gateway.l4.connection.duration
}

// Record counts one connection that ended after d.
func (t *Tunnel) Record(d time.Duration) { t.duration.record(d) }

// Requests is the number of requests in flight with this method and scheme.
// Keep the pointer from the Inc to its Dec. Only the first call for a method
// and scheme allocates.
func (l *Listener) Requests(m Method, s Scheme) *UpDown {
	slot := &l.requests[seriesIndex(m, s)]
	if u := slot.Load(); u != nil {
		return u
	}
	slot.CompareAndSwap(nil, new(UpDown))
	return slot.Load()
}

// Handshake counts one TLS handshake with a client that was completed. version is the two bytes of the protocol (0x0304
// = TLS 1.3).
func (l *Listener) Handshake(version uint16) { l.handshakes[1][tlsVersionIndex(version)].Inc() }

// HandshakeFailed counts one that was not, and keeps why. version is 0 if it broke off before one was agreed on.
func (l *Listener) HandshakeFailed(version uint16, reason string) {
	l.handshakes[0][tlsVersionIndex(version)].Inc()
	l.refused.Store(&reason)
}

// Tunnel is the instruments for connections of this listener to cluster, made
// when first asked for. Ask when the table is built: it locks.
func (l *Listener) Tunnel(cluster string) *Tunnel { return l.reg.tunnel(l, cluster) }

// tlsVersions are the values of the attribute tls.protocol.version.
var tlsVersions = [numTLSVersions]string{"", "1.0", "1.1", "1.2", "1.3"}

const numTLSVersions = 5

// tlsVersionIndex counts up from 0x0301, which is TLS 1.0; 0 is any other.
func tlsVersionIndex(version uint16) int {
	const before = 0x0300
	if version <= before || version >= before+numTLSVersions {
		return 0
	}
	return int(version - before)
}
