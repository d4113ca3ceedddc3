package http2

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// reader is the reading goroutine's side of a connection. It reads frames, handles each on the spot. It has what that
// appended anywhere written when the batch is done. Nobody else uses it.
type reader struct {
	c           *Conn
	frames      frameReader
	headers     headerReader
	batch       Batch
	corked      bool  // the connection flushes the batch before it waits
	handled     int   // bytes handled since the last flush
	gotSettings bool  // the peer's first SETTINGS has come
	partAt      int64 // when a frame or block that has begun must be whole; 0 nothing has
	due         []*Stream
}

// run reads until the connection is over.
func (r *reader) run(early []byte) error {
	r.frames.load(early)
	for {
		err := r.ingest()
		if err == nil {
			r.endBatch()
			err = r.fill()
		}
		for err != nil {
			switch {
			case errors.Is(err, netio.ErrTimeout):
				err = r.tick()
			case errors.Is(err, netio.ErrInterrupted):
				err = r.woken()
			default:
				return r.shut(err)
			}
			if err == nil {
				r.batch.Flush()
				err = r.fill()
			}
		}
	}
}

// ingest handles every whole frame that is held.
func (r *reader) ingest() (err error) {
	defer r.recoverPanic(&err)
	if r.frames.preface > 0 {
		if err = r.frames.readPreface(); err != nil || r.frames.preface > 0 {
			return err
		}
	}
	for {
		f, p, ok, err := r.frames.next()
		if !ok {
			return err
		}
		if err = r.handle(f, p); err != nil {
			return err
		}
		if r.headers.block == nil {
			r.partAt = 0
		}
	}
}

// handle takes one frame (RFC 9113 section 6).
func (r *reader) handle(f frame, p []byte) error {
	if b := r.headers.block; b != nil && (f.typ != frameContinuation || f.stream != b.stream) {
		return connError(ProtocolError, "frame inside a header block")
	}
	if !r.gotSettings && (f.typ != frameSettings || f.has(flagAck)) {
		return connError(ProtocolError, "first frame that is not SETTINGS")
	}
	switch f.typ {
	case frameData:
		return r.readData(f, p)
	case frameHeaders:
		return r.headers.begin(f, p)
	case frameContinuation:
		return r.headers.resume(f, p)
	case frameWindowUpdate:
		return r.readWindowUpdate(f, p)
	case frameRSTStream:
		return r.readReset(f, p)
	}
	// What is left makes no progress by itself.
	if !r.c.allow() {
		return r.c.flooded(LimitControl)
	}
	switch f.typ {
	case frameSettings:
		return r.readSettings(f, p)
	case framePing:
		return r.readPing(f, p)
	case frameGoAway:
		return r.readGoAway(f, p)
	case framePriority:
		return r.readPriority(f, p)
	case framePushPromise:
		return connError(ProtocolError, "PUSH_PROMISE, which is not enabled")
	}
	return nil // unknown types are ignored, section 5.5
}

// endBatch ends a batch of frames: what was appended anywhere is written. Over a netio.Writer that flushes before it
// waits, that can be left to the next read. A body may come slowly, so each piece of it starts the time anew; a head
// may not.
func (r *reader) endBatch() {
	if !r.corked || r.handled >= netio.BulkSize {
		r.batch.Flush()
		r.handled = 0
	}
	c := r.c
	switch {
	case !r.frames.begun() && r.headers.block == nil:
		r.partAt = 0
	case c.opt.ReadTimeout > 0 && (r.partAt == 0 || r.headers.block == nil && r.frames.dataBegun()):
		r.partAt = c.nc.Now() + int64(c.opt.ReadTimeout)
		c.mu.Lock()
		c.timers.wakeBy(r.partAt)
		c.mu.Unlock()
	}
}

// fill reads more.
func (r *reader) fill() error {
	n, err := r.frames.fill()
	r.handled += n
	if n > 0 && r.c.client && r.c.doubt.heard(r.c.nc.Now()) {
		r.c.trust(&r.batch)
	}
	return err
}

// woken looks at what another goroutine has woken the reading one for.
func (r *reader) woken() (err error) {
	defer r.recoverPanic(&err)
	c := r.c
	c.mu.Lock()
	err = c.end.err
	if err == nil && len(c.streams.open) == 0 && c.drain.finishing() {
		err = ErrDrained
	}
	c.mu.Unlock()
	if err == nil {
		r.wakeBlocked()
	}
	return err
}
