package telemetry

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Panics counts the panics that were recovered (gateway.panics.recovered): faults of the gateway itself. Each of them
// ended one request or connection. The zero value is ready. Safe from any goroutine.
type Panics struct {
	counts [numPlanes]Counter

	mu sync.Mutex
	// +checklocks:mu
	lastIn string
	// +checklocks:mu
	lastAt time.Time
	// +checklocks:mu
	logged time.Time // when the log was last told of one
	// +checklocks:mu
	unlogged int // how many came since then
}

// PanicStatus is how many panics were recovered since the start. The names in its JSON are promised to scripts.
type PanicStatus struct {
	L7     int64     `json:"l7"`
	L4     int64     `json:"l4"`
	LastIn string    `json:"last_in,omitempty"` // what the last one ended, such as "a request"
	LastAt time.Time `json:"last_at,omitzero"`
}

// panicLogEvery is the shortest time between two panics in the log. A request that makes the gateway panic may come
// often, and each line has a stack.
const panicLogEvery = time.Second

// Recovered counts and logs a panic of a plane: its value, its stack, and what it ended, such as "a request".
func (p *Panics) Recovered(plane Plane, logger hclog.Logger, what string, value any, stack []byte) {
	p.counts[plane].Inc()
	left, ok := p.note(what, time.Now())
	if !ok {
		return
	}
	fields := []any{"panic", value, "stack", string(stack)}
	if left > 0 {
		fields = append(fields, "not_logged", left)
	}
	logger.Error("BUG: panic in "+what, fields...)
}

// note keeps what the last panic ended, and when. ok tells that the log is to be told, left of how many it was not.
func (p *Panics) note(what string, now time.Time) (left int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastIn, p.lastAt = what, now
	if now.Sub(p.logged) < panicLogEvery {
		p.unlogged++
		return 0, false
	}
	left, p.logged, p.unlogged = p.unlogged, now, 0
	return left, true
}

// Count is how many panics of a plane were recovered since the start.
func (p *Panics) Count(plane Plane) int64 { return p.counts[plane].Load() }

// Status tells of all of them.
func (p *Panics) Status() PanicStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PanicStatus{L7: p.Count(L7), L4: p.Count(L4), LastIn: p.lastIn, LastAt: p.lastAt}
}
