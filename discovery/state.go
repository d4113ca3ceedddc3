package discovery

import (
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Status is how one source or watch fares, for /status.
type Status struct {
	Name          string    `json:"name"`                    // such as: kv "gateway/web/config"
	LastOK        time.Time `json:"last_ok,omitzero"`        // the last good answer
	Index         uint64    `json:"index,omitempty"`         // what the next request waits to pass
	Failing       int       `json:"failing,omitempty"`       // errors in a row; 0 = fine
	Class         string    `json:"class,omitempty"`         // of the error: acl, limit, server, transport
	Error         string    `json:"error,omitempty"`         // empty when the last answer was good
	Errors        uint64    `json:"errors,omitempty"`        // since the start
	Wakeups       uint64    `json:"wakeups,omitempty"`       // blocking requests that came back before their time
	Confirmations uint64    `json:"confirmations,omitempty"` // answers that were asked for once more before they were believed
	Polling       bool      `json:"polling,omitempty"`       // asked at intervals, since too many watches are open
}

// state is the status of one loop, which writes it while people read it. It logs
// what changes: the first error of a kind, and the end of trouble.
type state struct {
	log     hclog.Logger
	onOK    func()                         // nil = nothing
	onError func(telemetry.DiscoveryClass) // nil = nothing

	mu      sync.Mutex // guards current
	current Status
}

func newState(log hclog.Logger, name string) *state {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &state{log: log, current: Status{Name: name}}
}

func (s *state) status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *state) ok(index uint64) {
	if s.onOK != nil {
		s.onOK()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Failing > 0 {
		s.log.Info("discovery answers again", "watch", s.current.Name, "errors", s.current.Failing)
	}
	s.current.LastOK, s.current.Index = time.Now(), index
	s.current.Failing, s.current.Class, s.current.Error = 0, "", ""
}

func (s *state) failed(err error) {
	class := classOf(err)
	if s.onError != nil {
		s.onError(class)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Failing == 0 || s.current.Class != class.String() {
		s.log.Warn("discovery holds what it knows", "watch", s.current.Name, "class", class.String(), "error", err.Error())
	}
	s.current.Failing++
	s.current.Errors++
	s.current.Class, s.current.Error = class.String(), err.Error()
}

func (s *state) woke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Wakeups++
}

func (s *state) confirming() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Confirmations++
}

func (s *state) polling() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current.Polling = true
}
