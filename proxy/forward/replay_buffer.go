package forward

import (
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// A route that sends requests again keeps what is read of a body until the response begins. It does so as long as that
// is not too much. It still goes upstream as it comes: nobody waits for the end of a body, which of a gRPC stream may
// never come.

const (
	// gatherBytes bounds how much of a body is gathered before a request is sent.
	gatherBytes = 16 << 10
	// replayBytes bounds how much of it is kept for another attempt, on routes that send requests again.
	replayBytes = 64 << 10
)

// The states of a replayBuffer.
const (
	replayWhole   uint32 = iota // holds all that was read of the body
	replayClaimed               // must hold all of it, whatever the bound: an attempt is about to send it
	replayPartial               // some was passed on and is gone
)

// replayBuffer keeps the beginning of a request's body, which every attempt sends along with the head. state is safe
// from any goroutine. The rest belongs to whoever reads the body.
type replayBuffer struct {
	data  []byte
	buf   *netio.Buffer // what data is gathered in; nil: data is the reader's own memory, or there is none
	state atomic.Uint32
}

// reset releases the memory and begins with an empty body.
func (r *replayBuffer) reset() {
	r.release()
	r.state.Store(replayWhole)
}

// gather adds p, in memory that is ours.
func (r *replayBuffer) gather(p []byte) {
	if r.buf == nil {
		r.buf = netio.NewBulk()
		r.data = append(r.buf.B[:0], r.data...)
	}
	r.data = append(r.data, p...)
}

// release gives the memory back.
func (r *replayBuffer) release() {
	r.buf.Free()
	r.data, r.buf = nil, nil
}

// retain prepares for the uploading goroutine, which keeps what it reads if the route sends requests again.
func (r *replayBuffer) retain(replays bool) {
	if !replays {
		r.state.Store(replayPartial)
		return
	}
	if r.state.CompareAndSwap(replayClaimed, replayWhole) || r.state.Load() == replayWhole {
		r.gather(nil) // what follows may overwrite the reader's memory
	}
}

// keep adds p, a piece that is about to be passed on, unless the buffer is full or the response has begun.
func (r *replayBuffer) keep(p []byte, answered bool) {
	if r.state.Load() == replayPartial {
		return
	}
	if (answered || len(r.data)+len(p) > replayBytes) && r.state.CompareAndSwap(replayWhole, replayPartial) {
		return
	}
	r.gather(p)
}

// whole tells whether all that was read of the body is kept, so that another attempt can send it. While an upload runs
// this may change, until claim.
func (r *replayBuffer) whole() bool { return r.state.Load() != replayPartial }

// claim makes sure that what is kept stays whole, and reports whether it is; unclaim takes that back.
func (r *replayBuffer) claim() bool {
	return r.state.CompareAndSwap(replayWhole, replayClaimed) || r.state.Load() == replayClaimed
}

func (r *replayBuffer) unclaim() { r.state.CompareAndSwap(replayClaimed, replayWhole) }
