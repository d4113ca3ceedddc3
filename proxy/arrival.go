package proxy

import (
	"net"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// arrival is a connection that has been accepted and does not carry HTTP yet: its client is in the middle of a PROXY
// header or a TLS handshake.
type arrival struct {
	nc    net.Conn
	until time.Time // the end of its time, once the server is draining; guarded by Server.mu
}

// lastArrival is how long a client may still take for what comes before its request when idle connections end.
const lastArrival = time.Second

func (a *arrival) leave() {}

// drain comes again and again: what the connection's goroutine itself says about deadlines does not last.
func (a *arrival) drain() {
	if a.until.IsZero() {
		a.until = time.Now().Add(lastArrival)
	}
	_ = a.nc.SetReadDeadline(a.until) // a closed connection says so at the read
}

func (a *arrival) cut() { _ = a.nc.Close() } // its goroutine sees to the rest

// arrived puts c, which carries HTTP, in the place of a.
func (s *Server) arrived(a *arrival, c tracked) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.until.IsZero() {
		_ = a.nc.SetReadDeadline(time.Time{})
	}
	delete(s.live, a)
	s.live[c] = struct{}{}
}

// lost ends a connection that never carried HTTP.
func (s *Server) lost(a *arrival, who *route.Client) {
	_ = a.nc.Close() // nothing was begun on it
	s.untrack(a, who)
}
