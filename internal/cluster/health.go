package cluster

import (
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// full is the fixed-point 1 of weights and shares; weights have 16 bits, so a sum
// over thousands of endpoints still fits.
const full = 1 << 20

// The gate of an endpoint: what passive health lets through.
const (
	gateOpen    uint32 = iota
	gateEjected        // nothing, until its time is over
	gateProbing        // one request at a time, until one succeeds
)

// health is what is known of the endpoint at one address of one cluster. It
// survives revisions, changes of the way to connect, and (for a while) the
// endpoint's absence, so that an endpoint that comes back is remembered.
type health struct {
	address string
	clock   *clock
	group   *group

	// Read by every pick, without a lock.
	inFlight  atomic.Int64
	gate      atomic.Uint32
	pace      atomic.Int64 // slow start: share of its weight, up to full
	probe     atomic.Int64 // while probing: when the probe under way began, by the coarse clock; 0 = none
	unsettled atomic.Bool  // the next success matters: see succeeded
	lastError atomic.Pointer[lastError]
	measured  *telemetry.Endpoint

	// +checklocks:group.mu
	current int64 // of smooth weighted round robin
	// +checklocks:group.mu
	factor int64 // de-preference: share of its weight, up to full
	// +checklocks:group.mu
	fails int // in a row
	// +checklocks:group.mu
	ejections int // how many base times the next ejection is longer
	// +checklocks:group.mu
	proven bool // succeeded since the last change; lets ejections decay
	// +checklocks:group.mu
	cause Outcome // of the last ejection
	// +checklocks:group.mu
	since time.Duration // of the present gate
	// +checklocks:group.mu
	until time.Duration // end of the ejection
	// +checklocks:group.mu
	rampFrom time.Duration // begin of the slow start
	// +checklocks:group.mu
	probeWait time.Duration // while probing: how long a probe keeps others away
	// +checklocks:group.mu
	timed bool // is in group.timed
	// +checklocks:group.mu
	listed bool // some live cluster names it

	// +checklocks:group.set.mu
	up bool // by the catalog
	// +checklocks:group.set.mu
	told bool // the catalog has named it
	// +checklocks:group.set.mu
	flips [4]time.Duration // its last transitions, oldest first; 0 = none
	// +checklocks:group.set.mu
	swept uint64 // the last sweep in which a live cluster named it
	// +checklocks:group.set.mu
	goneAt time.Duration // when the last cluster ceased to name it
	// +checklocks:group.set.mu
	check checked // by active checks
}

func newHealth(address string, g *group) *health {
	h := &health{address: address, clock: g.clock, group: g, factor: full,
		measured: telemetry.NewEndpoint(g.name, address)}
	h.pace.Store(full)
	return h
}

// open tells whether the gate lets a request through now.
func (h *health) open() bool {
	switch h.gate.Load() {
	case gateOpen:
		return true
	case gateProbing:
		return h.probe.Load() == 0
	default:
		return false
	}
}

// enter is open and the lease in one step, for balancers without a lock.
func (h *health) enter() bool {
	switch h.gate.Load() {
	case gateOpen:
	case gateProbing:
		if !h.beginProbe() {
			return false
		}
	default:
		return false
	}
	h.inFlight.Add(1)
	return true
}

// beginProbe tells whether there was no probe under way.
func (h *health) beginProbe() bool { return h.probe.CompareAndSwap(0, max(1, int64(h.clock.coarse()))) }

// endProbe lets the next one through.
func (h *health) endProbe() { h.probe.Store(0) }

// slowest is the share of its weight that a recovered endpoint begins with.
const slowest = full / 10

// ramp is the share of its weight that an endpoint has after d of a slow start that lasts whole.
func ramp(d, whole time.Duration) int64 {
	if d >= whole {
		return full
	}
	return slowest + int64(float64(full-slowest)*float64(max(d, 0))/float64(whole))
}
