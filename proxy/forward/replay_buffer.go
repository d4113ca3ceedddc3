package proxy

import "github.com/fabian4/gateway-homebrew-go/internal/netio"

// Where a route repeats requests that were sent already, what is read of a body is held until the answer begins, as long as it is not too
// much. It still goes upstream as it comes: nobody waits for the end of a body, which of a gRPC stream may never come.

const (
	// holdBytes bounds how much of a body is gathered before a request is sent.
	holdBytes = 16 << 10
	// repeatBytes bounds how much of it is held for another try, on routes that repeat requests.
	repeatBytes = 64 << 10
)

// The states of upload.kept.
const (
	keptSoFar uint32 = iota // all that was read is held
	keptForUs               // and must be, whatever the bound: a retry is about to send it
	keptNot                 // some was passed on and is gone
)

// gather adds p to what is held, in memory that is ours.
func (ex *exchange) gather(p []byte) {
	if ex.heldBuf == nil {
		ex.heldBuf = netio.NewBulk()
		ex.held = append(ex.heldBuf.B[:0], ex.held...)
	}
	ex.held = append(ex.held, p...)
}

// letGo ends the holding.
func (ex *exchange) letGo() {
	ex.heldBuf.Free()
	ex.held, ex.heldBuf = nil, nil
}

// goOnHolding prepares for the uploading goroutine, which keeps what it reads if the route repeats requests.
func (ex *exchange) goOnHolding() {
	if !ex.rt.retry.repeats {
		ex.upload.kept.Store(keptNot)
		return
	}
	if ex.upload.kept.CompareAndSwap(keptForUs, keptSoFar) || ex.upload.kept.Load() == keptSoFar {
		ex.gather(nil) // what follows may overwrite it
	}
}

// keep holds p, a piece that is about to be passed on. For the uploading goroutine.
func (ex *exchange) keep(p []byte) {
	k := &ex.upload.kept
	if k.Load() == keptNot {
		return
	}
	if (ex.upload.answered.Load() || len(ex.held)+len(p) > repeatBytes) && k.CompareAndSwap(keptSoFar, keptNot) {
		return
	}
	ex.gather(p)
}

// bodyHeld tells whether everything that was read of the body is held, so that another try can send it. While an upload runs this may change,
// until claim.
func (ex *exchange) bodyHeld() bool { return ex.upload.kept.Load() != keptNot }

// claim sees to it that what is held stays whole, and reports whether it is; unclaim takes that back.
func (ex *exchange) claim() bool {
	k := &ex.upload.kept
	return k.CompareAndSwap(keptSoFar, keptForUs) || k.Load() == keptForUs
}

func (ex *exchange) unclaim() { ex.upload.kept.CompareAndSwap(keptForUs, keptSoFar) }
