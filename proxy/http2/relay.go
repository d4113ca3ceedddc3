package http2

import (
	"bytes"
	"errors"
	"sync"
)

// Relay passes one direction of an exchange, body and trailers, from a stream to another on another connection. It
// copies only what the receiving side does not take at once. The sending peer gets its window back as bytes go on, so
// that no more than that window is ever held. Data may come before there is a stream to pass it to.
//
// Call it from the events of both streams. Call Data and Trailers from those of the stream that data comes from, and
// Writable from that of the stream it goes to. What returns an error does so once, when the trailers are larger than
// the receiving side takes (ErrHeadTooLarge). That stream was reset then, and no event will tell its owner. Of all
// other ends of that stream its own Reset tells.
type Relay struct {
	src *Stream

	mu sync.Mutex // taken before a connection's, never under it
	// +checklocks:mu
	dst *Stream
	// +checklocks:mu
	held bodyQueue
	// +checklocks:mu
	trailers *Fields // a copy, while held is in front of them
	// +checklocks:mu
	end bool // src has ended
	// +checklocks:mu
	over bool // everything, or the end of all interest, was passed on
	// passed is what was passed on, as long as Divert may want it; nil: nothing was.
	// +checklocks:mu
	passed *passedOn
	// +checklocks:mu
	lost bool // some of what came is not to be had any more
	// +checklocks:mu
	to Receiver // takes what comes instead of dst
}

// passedBytes bounds what of a message is kept that was passed on. Small requests, such as those of gRPC, can be sent
// again when the other side says that it did not process them.
const passedBytes = 1 << 10

// passedOn is the beginning of a message. It is pooled.
type passedOn struct {
	n int
	b [passedBytes]byte
}

var passedPool = sync.Pool{New: func() any { return new(passedOn) }}

// keep keeps p, which was passed on.
//
// +checklocks:r.mu
func (r *Relay) keep(p []byte) {
	if r.lost || len(p) == 0 {
		return
	}
	if r.passed == nil {
		r.passed = passedPool.Get().(*passedOn)
		r.passed.n = 0
	}
	if r.passed.n+len(p) > passedBytes {
		r.forget()
		return
	}
	r.passed.n += copy(r.passed.b[r.passed.n:], p)
}

// forget gives up what was kept: Divert is not possible any more.
//
// +checklocks:r.mu
func (r *Relay) forget() {
	r.lost = true
	if r.passed != nil {
		passedPool.Put(r.passed)
		r.passed = nil
	}
}

// NeverDivert says that nobody will call Divert.
func (r *Relay) NeverDivert() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget()
}

// Init names the stream that data comes from. Call it before the first event. With divertible what is passed on is
// kept, as far as Divert says, until NeverDivert.
func (r *Relay) Init(src *Stream, divertible bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.src, r.lost = src, !divertible
}

// Start names the stream that data goes to, and passes on what has come so far. b is the calling goroutine's, as
// everywhere.
func (r *Relay) Start(b *Batch, dst *Stream) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dst = dst
	return r.pass(b)
}

// Data takes an event of src.
func (r *Relay) Data(b *Batch, p []byte, end bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		r.to.Data(b, r.src, p, end)
		return
	}
	if r.over {
		r.src.Consumed(b, len(p))
		return
	}
	n := 0
	if r.dst != nil && len(r.held.b) == 0 {
		var err error
		if n, err = r.dst.WriteData(b, p, end); err != nil {
			r.src.Consumed(b, len(p))
			r.stop(b)
			return
		}
		r.keep(p[:n])
		r.over = end && n == len(p)
		r.src.Consumed(b, n)
	}
	r.held.push(p[n:])
	r.end = r.end || end
}

// Trailers takes the trailers of src, as its owner wants them passed on. They end the message. After Divert they are
// not taken (ErrDiverted): the other receiver wants them as they came.
func (r *Relay) Trailers(b *Batch, f *Fields) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil {
		return ErrDiverted
	}
	if r.over {
		return nil
	}
	r.end = true
	if r.dst != nil && len(r.held.b) == 0 {
		return r.finish(b, f)
	}
	if r.dst != nil && !r.dst.hold(f.held()) {
		r.stop(b)
		r.dst.Reset(b, InternalError)
		return ErrHeadTooLarge
	}
	r.trailers = f.clone()
	return nil
}

// Writable takes an event of dst.
func (r *Relay) Writable(b *Batch) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dst == nil {
		return nil
	}
	return r.pass(b)
}

// Stop drops what is held and whatever comes; src gets its window back.
func (r *Relay) Stop(b *Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == nil {
		r.stop(b)
	}
}

// Divert gives what is held, and whatever comes, to another receiver of src's data. passed is what was passed on
// before, and the caller's. ended tells that this was all of the message. It can not, and says so, once more has been
// passed on than is kept, or anything was dropped, or there are trailers.
func (r *Relay) Divert(b *Batch, to Receiver) (passed []byte, ended, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lost || r.trailers != nil {
		return nil, false, false
	}
	if r.passed != nil {
		passed = bytes.Clone(r.passed.b[:r.passed.n])
	}
	r.forget()
	r.to, ended = to, r.over
	if !ended && (len(r.held.b) > 0 || r.end) {
		to.Data(b, r.src, r.held.b, r.end)
		r.held.free()
	}
	return passed, ended, true
}

// Holding tells whether something waits for the receiving side to take it.
func (r *Relay) Holding() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held.b) > 0
}

// Over tells whether everything, or the end of all interest, has been passed on.
func (r *Relay) Over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.over
}

// pass passes on what is held.
//
// +checklocks:r.mu
func (r *Relay) pass(b *Batch) error {
	if r.over || r.to != nil {
		return nil
	}
	if len(r.held.b) > 0 {
		n, err := r.dst.WriteData(b, r.held.b, r.end && r.trailers == nil)
		if err != nil {
			r.stop(b)
			return nil //nolint:nilerr // dst's own Reset tells the owner
		}
		r.keep(r.held.b[:n])
		r.held.pop(n)
		r.src.Consumed(b, n)
		if len(r.held.b) > 0 {
			return nil
		}
		r.held.free()
		if r.end && r.trailers == nil {
			r.over = true
			return nil
		}
	}
	if r.end {
		return r.finish(b, r.trailers)
	}
	return nil
}

// finish ends dst; all data has been passed on.
//
// +checklocks:r.mu
func (r *Relay) finish(b *Batch, trailers *Fields) error {
	r.over, r.trailers = true, nil
	var err error
	if trailers != nil {
		r.forget()
		err = r.dst.WriteTrailers(b, trailers)
	} else {
		_, err = r.dst.WriteData(b, nil, true)
	}
	if errors.Is(err, ErrHeadTooLarge) {
		r.dst.Reset(b, InternalError)
		return err
	}
	return nil // else dst's own Reset tells the owner
}

// stop drops what is held and whatever comes.
//
// +checklocks:r.mu
func (r *Relay) stop(b *Batch) {
	r.over, r.trailers = true, nil
	r.forget()
	if n := len(r.held.b); n > 0 {
		r.held.free()
		r.src.Consumed(b, n)
	}
}
