package http2

import "github.com/fabian4/gateway-homebrew-go/proxy/message"

// pipeEvents is a Pipe as the receiver of its stream: the reading goroutine's side of it.
type pipeEvents Pipe

// Receiver is who takes the stream's events for p.
func (p *Pipe) Receiver() Receiver { return (*pipeEvents)(p) }

func (e *pipeEvents) Head(_ *Batch, s *Stream, h *message.Head, end bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s = s
	e.end = e.end || end
	if e.closed || h.Status < 200 && len(e.heads) >= mostInterim {
		return
	}
	w := &waitingHead{end: end}
	CopyHead(&w.h, h)
	e.heads = append(e.heads, w)
	e.cond.Broadcast()
}

func (e *pipeEvents) Data(b *Batch, s *Stream, p []byte, end bool) {
	e.mu.Lock()
	e.end = e.end || end
	closed := e.closed
	if !closed {
		e.q.push(p)
		e.cond.Broadcast()
	}
	e.mu.Unlock()
	if closed {
		s.Consumed(b, len(p))
	}
}

func (e *pipeEvents) Trailers(_ *Batch, _ *Stream, h *message.Head) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.payer != nil && !e.payer.hold(held(h)) {
		e.err = &ResetError{EnhanceYourCalm, ErrHeadTooLarge}
		e.cond.Broadcast()
		return
	}
	e.end = true
	e.trailers = new(message.Head)
	CopyHead(e.trailers, h)
	e.cond.Broadcast()
}

func (e *pipeEvents) Reset(_ *Batch, _ *Stream, code ErrCode, cause error) {
	e.mu.Lock()
	e.err = &ResetError{code, cause}
	e.cond.Broadcast()
	if e.watch != nil {
		e.watch.Interrupt() // under the lock: see Watch
	}
	r := (*Pipe)(e).unpark()
	e.mu.Unlock()
	resume(r)
}

func (e *pipeEvents) Writable(*Batch, *Stream) {
	e.mu.Lock()
	e.writable = true
	e.cond.Broadcast()
	r := (*Pipe)(e).unpark()
	e.mu.Unlock()
	resume(r)
}

func (e *pipeEvents) Timeout(_ *Batch, s *Stream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.read.waits && e.read.at != 0 && s.c.nc.Now() >= e.read.at {
		e.read.late = true
		e.cond.Broadcast()
	}
}

// CopyHead makes dst a copy of src that shares none of its memory: for owners that need a head for longer than its
// event.
func CopyHead(dst, src *message.Head) {
	fields, buf := dst.Fields[:0], dst.Buf[:0]
	n := len(src.Buf)
	parts := [...][]byte{src.Method, src.Target, src.Authority, src.Scheme}
	for _, p := range parts {
		n += len(p)
	}
	if cap(buf) < n {
		buf = make([]byte, 0, n)
	}
	*dst = *src
	dst.Fields = append(fields, src.Fields...)
	dst.Buf = append(buf, src.Buf...)
	// The parts lie in a buffer that may be another than Buf by now: their bytes go behind the fields' lines.
	tail := dst.Buf
	keep := func(p []byte) []byte {
		at := len(tail)
		tail = append(tail, p...)
		return tail[at:len(tail):len(tail)]
	}
	dst.Method, dst.Target, dst.Authority = keep(src.Method), keep(src.Target), keep(src.Authority)
	dst.Scheme = keep(src.Scheme)
	end := len(dst.Target) // of the path, which in absolute-form does not begin the target
	dst.Query = nil
	if src.Query != nil {
		dst.Query = dst.Target[end-len(src.Query):]
		end -= len(src.Query) + 1
	}
	dst.Path = dst.Target[end-len(src.Path) : end]
	if src.Reason != nil {
		dst.Reason = append([]byte(nil), src.Reason...)
	}
}
