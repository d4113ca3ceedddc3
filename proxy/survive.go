package proxy

import (
	"runtime/debug"

	"github.com/fabian4/gateway-homebrew-go/proxy/cluster"
)

// survive is deferred around an exchange: a panic is a fault of ours, which ends this exchange and its connection and must not end the
// others. It is logged with its stack and counted. What cannot be known to be given back (a slot for a connection, memory) is lost.
func (ex *exchange) survive() {
	p := recover()
	if p == nil {
		return
	}
	ex.crashed, ex.closing = true, true
	ex.s.panicked(p, debug.Stack())
	if ex.leasing {
		ex.leasing = false
		ex.ep.Done(cluster.Ignored)
	}
	ex.leave()
	if ex.active != nil {
		ex.active.Dec()
		ex.active = nil
	}
	ex.d.Abort()
}

// Crashes is how many requests have panicked since the start. Safe from any goroutine.
func (s *Server) Crashes() int64 { return s.crashes.Load() }

// panicked notes a panic that was survived, here or on a connection of HTTP/2, whose events no exchange of its own carries.
func (s *Server) panicked(p any, stack []byte) {
	s.crashes.Add(1)
	s.logger.Error("BUG: panic in a request", "panic", p, "stack", string(stack))
}
