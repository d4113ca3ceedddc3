package telemetry

import "go.opentelemetry.io/otel/attribute"

// MirrorReason is why a copy of a request for another cluster was of no use.
type MirrorReason uint8

// The reasons.
const (
	MirrorBusy   MirrorReason = iota // the cluster has as many copies as it may at a time
	MirrorBody                       // the body is larger than what is kept of it
	MirrorFailed                     // it was sent, or should have been, and there was no whole response
	mirrorReasons
)

// String is the reason as metrics show it.
func (r MirrorReason) String() string { return [mirrorReasons]string{"busy", "body", "failed"}[r] }

// MirrorCounters are about the copies of requests that one cluster gets.
type MirrorCounters struct {
	Dropped [mirrorReasons]Counter // gateway.mirror.dropped
}

// each leaves out what never happened: most clusters get no copies.
func (m *MirrorCounters) each(cluster attribute.KeyValue, add func(*Counter, ...attribute.KeyValue)) {
	for r := range mirrorReasons {
		if n := &m.Dropped[r]; n.Load() > 0 {
			add(n, cluster, attrReason.String(r.String()))
		}
	}
}
