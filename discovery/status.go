package discovery

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Status is how one source or watch fares, for /status.
type Status struct {
	Name          string    `json:"name"`                    // such as: kv "gateway/web/config"
	LastOK        time.Time `json:"last_ok,omitzero"`        // the last good response
	Index         uint64    `json:"index,omitempty"`         // what the next request waits to pass
	Failing       int       `json:"failing,omitempty"`       // errors in a row; 0 = fine
	Class         string    `json:"class,omitempty"`         // of the error: acl, limit, server, transport, query
	Error         string    `json:"error,omitempty"`         // empty when the last response was good
	Errors        uint64    `json:"errors,omitempty"`        // since the start
	Wakeups       uint64    `json:"wakeups,omitempty"`       // blocking requests that came back before their time
	Confirmations uint64    `json:"confirmations,omitempty"` // results that were confirmed before use
	LeftOut       []string  `json:"left_out,omitempty"`      // instances without a usable address, at most eight
	Polling       bool      `json:"polling,omitempty"`       // asked at intervals, since too many watches are open
}

// Tracker is the status of one loop, which writes it while people read it. It logs
// what changes: the first error of a kind, and the end of trouble. Its methods are
// safe from any goroutine.
type Tracker struct {
	log     hclog.Logger
	OnOK    func()                         // nil = nothing
	OnError func(telemetry.DiscoveryClass) // nil = nothing

	mu sync.Mutex
	// +checklocks:mu
	current Status
}

// NewTracker makes the tracker of a loop that people know by name. log may be nil.
func NewTracker(log hclog.Logger, name string) *Tracker {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &Tracker{log: log, current: Status{Name: name}}
}

func (t *Tracker) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

func (t *Tracker) OK(index uint64) {
	if t.OnOK != nil {
		t.OnOK()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Failing > 0 {
		t.log.Info("discovery recovered", "watch", t.current.Name, "errors", t.current.Failing)
	}
	t.current.LastOK, t.current.Index = time.Now(), index
	t.current.Failing, t.current.Class, t.current.Error = 0, "", ""
}

func (t *Tracker) Failed(class telemetry.DiscoveryClass, err error) {
	if t.OnError != nil {
		t.OnError(class)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.Failing == 0 || t.current.Class != class.String() {
		t.log.Warn("discovery failed, the last result stays in use", "watch", t.current.Name,
			"class", class.String(), "error", err.Error())
	}
	t.current.Failing++
	t.current.Errors++
	t.current.Class, t.current.Error = class.String(), err.Error()
}

func (t *Tracker) Woke() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.Wakeups++
}

func (t *Tracker) Confirming() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.Confirmations++
}

func (t *Tracker) Polling() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current.Polling = true
}

// maxLeftOut bounds how many instances a status and a log line name.
const maxLeftOut = 8

// LeftOut notes what of the last result is of no use, and why; and logs it when it changes.
func (t *Tracker) LeftOut(all []string) {
	named := slices.Clone(all[:min(len(all), maxLeftOut)])
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(named) > 0 && !slices.Equal(named, t.current.LeftOut) {
		t.log.Warn("instances left out", "watch", t.current.Name, "number", len(all), "instances",
			strings.Join(named, ", "))
	}
	t.current.LeftOut = named
}
