package cluster

import (
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Endpoint is one address of a cluster as the data plane uses it. It is a lease while picked, its idle connections, and
// the slot for connections that requests share. Its health is a separate object, for it outlives the endpoint (see
// health.go).
type Endpoint struct {
	address string
	health  *health
	group   *group
	idle    idle
	shared  atomic.Pointer[sharedBox]

	// +checklocks:group.set.mu
	swept uint64 // the last sweep in which a live cluster named it
}

// Address is host:port as the document or the catalog has it. A host name is
// resolved by the dialler, each time it dials.
func (e *Endpoint) Address() string { return e.address }

// Telemetry counts the attempts that were made on the endpoint.
func (e *Endpoint) Telemetry() *telemetry.Endpoint { return e.health.measured }

// Done ends the lease that a successful Pick began; call it exactly once. It tells whether the endpoint was ejected
// because of o.
func (e *Endpoint) Done(o Outcome) (ejected bool) {
	ejected = e.Report(o) // first, so that a probe's verdict is known when the next one may be sent
	h := e.health
	if h.gate.Load() != gateOpen {
		// This lease need not be the probe. One that ends meanwhile lets one more probe through. Waiting for all old
		// leases (tunnels) to end could take hours.
		h.endProbe()
	}
	h.inFlight.Add(-1)
	e.group.requests.Add(-1)
	return ejected
}

// Report tells an outcome before the lease ends. What lives long (a tunnel, a stream) reports Success when the endpoint
// has proved itself, not hours later. It tells whether the endpoint was ejected because of o.
func (e *Endpoint) Report(o Outcome) (ejected bool) {
	if o == Success {
		if e.health.unsettled.Load() {
			e.health.succeeded()
		}
		return false
	}
	return o.failed() && e.health.failed(o)
}

// Probing tells whether the endpoint was ejected, and the next success or failure decides whether it returns.
func (e *Endpoint) Probing() bool { return e.health.gate.Load() == gateProbing }

// lastError is the last thing that went wrong, in words, and what of it was news.
type lastError struct {
	text   string
	at     time.Time
	told   string    // the last text that was news
	toldAt time.Time // when
}

const (
	// newsAgain is the silence after which the same error is news once more.
	newsAgain = time.Minute
	// newsApart is the shortest time between two errors that are news: an endpoint may fail in two ways by turns.
	newsApart = 10 * time.Second
)

// Explain keeps, for /status, why the last connection or response was bad, and reports whether it is news. That is
// another text than before, or the same one after newsAgain. Of those who call it at once one has the news. It is for
// failures only; text must be short and safe to show.
func (e *Endpoint) Explain(text string) (news bool) {
	now, old := time.Now(), e.health.lastError.Load()
	next := &lastError{text: text, at: now, told: text, toldAt: now}
	if old != nil && now.Sub(old.at) <= newsAgain && (text == old.told || now.Sub(old.toldAt) < newsApart) {
		next.told, next.toldAt = old.told, old.toldAt
		e.health.lastError.CompareAndSwap(old, next) // else another one is as new
		return false
	}
	return e.health.lastError.CompareAndSwap(old, next)
}

// lease counts the use that Done ends; callers have checked the gate.
func (e *Endpoint) lease() *Endpoint {
	h := e.health
	h.inFlight.Add(1)
	if h.gate.Load() != gateOpen {
		h.beginProbe()
	}
	return e
}

// Shared is what a protocol that multiplexes keeps for an endpoint: its set of
// connections. The package only holds it.
type Shared interface {
	// Close is called once, when the endpoint is retired: nothing new may begin,
	// what is in flight ends by itself. It must not block.
	Close() error
}

type sharedBox struct{ Shared }

// retiredBox fills the slot of a retired endpoint, so that nothing is left in it.
func retiredBox() *sharedBox { return &sharedBox{} }

// Shared returns what Share has put into the slot, or nil.
func (e *Endpoint) Shared() Shared {
	if b := e.shared.Load(); b != nil {
		return b.Shared
	}
	return nil
}

// Share fills the empty slot with s and returns what is in it then. That is s, or what another goroutine was quicker to
// put there: then s is the caller's to close. On a retired endpoint nothing is kept and it returns nil: s serves its
// present requests and is closed by the caller after them.
func (e *Endpoint) Share(s Shared) Shared {
	if e.shared.CompareAndSwap(nil, &sharedBox{s}) {
		return s
	}
	return e.Shared()
}

// retire closes what is idle; what is leased is closed when it is put back.
func (e *Endpoint) retire() {
	if b := e.shared.Swap(retiredBox()); b != nil && b.Shared != nil {
		_ = b.Close() // no one is left to handle it
	}
	closeAll(e.idle.shut())
}
