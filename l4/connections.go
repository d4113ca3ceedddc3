package l4

import (
	"sync"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// connections are the live connections from clients. The watch looks at them, a drain waits for them.
type connections struct {
	mu sync.Mutex
	// +checklocks:mu
	live map[*conn]struct{}
	// How often the watch has looked.
	// +checklocks:mu
	checks uint32
	// Connections accepted: those of live, and those about to end.
	// +checklocks:mu
	open int
	// Closed when draining and none is open; nil before.
	// +checklocks:mu
	idle chan struct{}

	wake    chan struct{} // holds one token when the first connection came while the watch was resting
	watched chan struct{} // closed when the watch has ended
}

// track takes c among the live connections.
func (s *connections) track(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live[c] = struct{}{}
	s.open++
	if len(s.live) == 1 {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// unwatch hides c from the watch and from a cut: its end has begun.
func (s *connections) unwatch(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c)
}

// gone is the very end of a connection.
func (s *connections) gone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	if s.idle != nil && s.open == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// last gives what is closed when the last connection has ended. Nothing is accepted any more.
func (s *connections) last() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make(chan struct{})
	if s.open == 0 {
		close(idle)
	} else {
		s.idle = idle
	}
	return idle
}

// cut stops every connection that is left.
func (s *connections) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.stop(telemetry.LR)
	}
	return len(s.live)
}
