package proxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// connections are the live connections from clients. A drain asks them to end.
type connections struct {
	limit *netio.Limit

	left     atomic.Int64 // when the drain notice began, on the sweeper's clock; 0 = not yet
	draining atomic.Bool  // idle connections end

	mu sync.Mutex
	// +checklocks:mu
	live map[tracked]struct{}
	// roused are parked connections that a drain has taken over, and ends.
	// +checklocks:mu
	roused []*connH1
	// idle is closed when draining and live is empty; nil before.
	// +checklocks:mu
	idle chan struct{}
	// over: nothing is taken among live any more.
	// +checklocks:mu
	over bool
}

// tracked is a live connection from a client. Its methods are called with connections.mu held and must not block.
type tracked interface {
	leave() // tell the client to go elsewhere, and go on
	drain() // end, now or after what is in flight
	cut()   // end now
}

// track takes c among the live connections; false: the drain has ended.
func (s *connections) track(c tracked) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.live[c] = struct{}{}
	return true
}

// tracks reports whether c is tracked.
func (s *connections) tracks(c tracked) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, live := s.live[c]
	return live
}

// retrack puts c in the place of was: the same connection, which now speaks another version. It goes on also when the
// server is draining.
func (s *connections) retrack(was, c tracked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, was)
	s.live[c] = struct{}{}
}

// untrack is the end of a connection, whose place in the limit is free again.
func (s *connections) untrack(c tracked, who *route.Client) {
	s.mu.Lock()
	delete(s.live, c)
	if s.idle != nil && len(s.live) == 0 {
		close(s.idle)
		s.idle, s.over = nil, true
	}
	s.mu.Unlock()
	who.Listener.Telemetry.Active.Dec()
	s.limit.Release()
}

// leave gives every client the drain notice.
func (s *connections) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.leave()
	}
}

// last gives what is closed when the last connection has ended. Nothing is accepted any more.
func (s *connections) last() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := make(chan struct{})
	if s.over = len(s.live) == 0; s.over {
		close(idle)
	} else {
		s.idle = idle
	}
	return idle
}

// drainAll tells every connection that it is to end.
func (s *connections) drainAll() {
	for _, c := range s.rouse() { // one by one: a goroutine for each of them would need a lot of memory at once
		if c.Conn.Quiet() {
			c.end(false)
		} else {
			go c.Resume() // a request has come in the same moment
		}
	}
}

// rouse tells every connection that it is to end, and returns the parked ones, which nobody else ends.
func (s *connections) rouse() []*connH1 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.live {
		c.drain()
	}
	roused := s.roused
	s.roused = nil
	return roused
}

// cut closes every connection that is left.
func (s *connections) cut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for c := range s.live {
		c.cut()
	}
	return len(s.live)
}

// arrival is a connection that has been accepted and does not carry HTTP yet. Its client is in the middle of a PROXY
// header or a TLS handshake.
type arrival struct {
	nc    net.Conn
	until time.Time // the end of its time, once the server is draining; guarded by connections.mu
}

// arrivalTime is how long a client may still take for what comes before its request when idle connections end.
const arrivalTime = time.Second

func (a *arrival) leave() {}

// drain comes again and again: what the connection's goroutine itself says about deadlines does not last.
func (a *arrival) drain() {
	if a.until.IsZero() {
		a.until = time.Now().Add(arrivalTime)
	}
	_ = a.nc.SetReadDeadline(a.until) // a closed connection says so at the read
}

func (a *arrival) cut() { _ = a.nc.Close() } // its goroutine sees to the rest

// arrived puts c, which carries HTTP, in the place of a.
func (s *connections) arrived(a *arrival, c tracked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.until.IsZero() {
		_ = a.nc.SetReadDeadline(time.Time{})
	}
	delete(s.live, a)
	s.live[c] = struct{}{}
}

// lost ends a connection that never carried HTTP.
func (s *connections) lost(a *arrival, who *route.Client) {
	_ = a.nc.Close() // nothing was begun on it
	s.untrack(a, who)
}
