package proxy

import (
	"runtime/debug"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
)

// survive is deferred around an exchange: a panic is a fault of ours, which ends this exchange and its connections and must not end the
// others. It is logged with its stack, counted and recorded. The buffers it had are lost to their pools: whether they have been given back
// already nobody knows, and memory that two share would be worse.
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
	ex.endRetry()
	if ex.active != nil {
		ex.active.Dec()
		ex.active = nil
	}
	ex.drop()
	ex.d.Abort()
	ex.lastWords()
}

// drop ends the lease of the upstream connection, without a step into the state that may be broken.
func (ex *exchange) drop() {
	switch u := ex.using.(type) {
	case nil:
	case *upstream1:
		u.Cut()
		u.slot.Release()
	default:
		_ = u.Close() // the stream; the connection is others' too
	}
}

// lastWords waits for the uploading goroutine, whose two connections are gone, and records the exchange, if that is not what panicked.
func (ex *exchange) lastWords() {
	defer func() { _ = recover() }() // it may well be broken enough to panic again
	if ex.upload.running {
		ex.d.Interrupt()
		<-ex.upload.done
	}
	if ex.finished {
		return
	}
	if ex.status == 0 {
		ex.status = 500 // what it would have been: the client sees a reset
	}
	ex.finish()
}

// Crashes is how many requests have panicked since the start. Safe from any goroutine.
func (s *Server) Crashes() int64 { return s.crashes.Load() }

// panicked notes a panic that was survived, here or on a connection of HTTP/2, whose events no exchange of its own carries.
func (s *Server) panicked(p any, stack []byte) {
	s.crashes.Add(1)
	s.logger.Error("BUG: panic in a request", "panic", p, "stack", string(stack))
}
