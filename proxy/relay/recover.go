package relay

import (
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
)

// unwind is deferred by every event. A panic in one is a fault of ours, which ends this request. What it was given is
// given back, and both of its streams are reset. The panic goes on, to where it is logged and counted. It ends the
// connection whose event it was, since nobody knows what it has left behind there.
func (r *relay) unwind() {
	p := recover()
	if p == nil {
		return
	}
	r.abandon()
	panic(p)
}

// abandon gives back what the request was given, and records it, unless that has been done.
func (r *relay) abandon() {
	defer func() { _ = recover() }() // it may be broken enough to panic again
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fallback != nil {
		return // the request is somebody else's
	}
	go r.resetBoth()
	r.record.NoteReset(r.decision.GRPC, nil)
	if r.record.Status == 0 {
		r.record.Status = 500 // what it would have been: the client sees a reset
	}
	r.finish(cluster.Ignored)
}

// resetBoth has a goroutine of its own. The panic may have left the lock of a connection locked, which the other
// connection must not wait for.
func (r *relay) resetBoth() {
	r.server.Reset(nil, http2.Cancel)
	r.client.Reset(nil, http2.InternalError)
}
