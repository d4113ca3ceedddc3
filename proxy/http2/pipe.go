package http2

import (
	"io"
	"slices"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// ResetError is what waiting calls return on a stream that ended early.
type ResetError struct {
	Code  ErrCode
	Cause error
}

func (e *ResetError) Error() string { return e.Cause.Error() + " (" + e.Code.String() + ")" }

// Unwrap is the cause.
func (e *ResetError) Unwrap() error { return e.Cause }

// Pipe turns the events of one stream into calls that wait, for goroutines that own an HTTP/1.1 connection on the other
// side. One goroutine at a time may call Head, Next and what belongs to them, and another one Write. It holds no more
// than the stream's window.
type Pipe struct {
	mu   sync.Mutex // taken before a connection's, never under it
	cond sync.Cond  // any of what follows has changed

	// +checklocks:mu
	s *Stream
	// +checklocks:mu
	heads []*waitingHead
	// +checklocks:mu
	q bodyQueue // has come
	// +checklocks:mu
	lent bodyQueue // was handed out by Next, and counts as consumed at the following call
	// +checklocks:mu
	trailers *message.Head
	// +checklocks:mu
	payer *Stream // whose connection is charged for trailers that wait; nil: none
	// +checklocks:mu
	end bool // the peer has ended its side
	// +checklocks:mu
	err error
	// +checklocks:mu
	watch Interrupter // learns of err
	// +checklocks:mu
	writable bool
	// +checklocks:mu
	parked Resumer // goes on once writable or err is set; nil: nobody has parked
	// +checklocks:mu
	again int // so many bytes of lent, its last ones, are to be handed out once more
	// +checklocks:mu
	closed bool
	// +checklocks:mu
	read pipeRead
}

// pipeRead is a call that waits for something to read. Guarded by the pipe's lock.
type pipeRead struct {
	at          int64 // when it gives up; 0 never
	waits       bool  // one waits
	late        bool  // and its time has passed
	interrupted bool
}

type waitingHead struct {
	h   message.Head
	end bool
}

// mostInterim is how many interim heads may wait for a slow reader. More of them are dropped, which RFC 9110 section
// 15.2 lets a client do.
const mostInterim = 8

// NewPipe makes a pipe. What it returns as Receiver is what a server's Request returns, or Client.Open is given; Attach
// follows.
func NewPipe() *Pipe {
	p := new(Pipe)
	p.cond.L = &p.mu
	return p
}

// Attach names the stream: the one a server's Request has given, or Open has returned. end tells that it comes without
// a body.
func (p *Pipe) Attach(s *Stream, end bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.s = s
	p.end = p.end || end
}

// ChargeTo names the stream that what comes goes on in, if that is a client's. What waits of heads and trailers is
// bounded for the client's connection. Call it before there are trailers.
func (p *Pipe) ChargeTo(s *Stream) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.payer = s
}

// SetReadDeadline names the time, on the clock of netio.Sweeper.Now, at which Head and Next give up with
// netio.ErrTimeout; 0 takes it away.
func (p *Pipe) SetReadDeadline(at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read.at, p.read.late = at, false
	if p.read.waits {
		p.s.SetDeadline(at)
	}
}

// Interrupt makes the read that waits now, or the next one that would, return netio.ErrInterrupted once.
func (p *Pipe) Interrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read.interrupted = true
	p.cond.Broadcast()
}

// Head waits for the next response head, which is good until the following call. end tells that nothing follows it.
func (p *Pipe) Head() (h *message.Head, end bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.wait(forHead); err != nil {
		return nil, false, err
	}
	w := p.heads[0]
	p.heads = slices.Delete(p.heads, 0, 1)
	return &w.h, w.end, nil
}

// Next waits for the next piece of the body, which is good until the following call; io.EOF behind the last one.
func (p *Pipe) Next() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.again; n > 0 {
		p.again = 0
		return p.lent.b[len(p.lent.b)-n:], nil
	}
	p.consume()
	if err := p.wait(forBody); err != nil {
		return nil, err
	}
	if len(p.q.b) == 0 {
		return nil, io.EOF
	}
	p.q, p.lent = p.lent, p.q
	return p.lent.b, nil
}

// Return says that the last n bytes which Next has handed out were not used: it hands them out again.
func (p *Pipe) Return(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again = n
}

// Ended tells whether the body has been read to its end.
func (p *Pipe) Ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.end && len(p.q.b) == 0 && p.again == 0
}

// Ready tells whether Next will not wait.
func (p *Pipe) Ready() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.q.b) > 0 || p.again > 0 || p.end || p.err != nil || p.closed
}

// ClearInterrupt forgets an Interrupt that no read has met yet.
func (p *Pipe) ClearInterrupt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read.interrupted = false
}

// Trailers is the trailer section behind the body, nil without one; good for as long as the pipe.
func (p *Pipe) Trailers() *message.Head {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trailers
}

// Interrupter is somebody who waits elsewhere.
type Interrupter interface {
	// Interrupt ends the wait that is under way, or the next one. It must not block. It is called under the lock of
	// the pipe that is watched. It may take another pipe's lock, but that pipe must not watch in turn.
	Interrupt()
}

// Watch names who is to be interrupted when the stream ends early, at once if it has; nil: nobody any more. When it
// returns, the one that was named before is not interrupted any more: it may be given to somebody else.
func (p *Pipe) Watch(w Interrupter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watch = w
	if p.err != nil && w != nil {
		w.Interrupt()
	}
}

// Err is how the stream ended early, nil when it did not.
func (p *Pipe) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Write sends all of data, and with end the end of our side. It waits for the peer's windows; Options.StallTimeout
// bounds that. b is the calling goroutine's, and is flushed before a wait.
func (p *Pipe) Write(b *Batch, data []byte, end bool) error {
	for {
		n, err := p.TryWrite(b, data, end)
		data = data[n:]
		if err != nil || len(data) == 0 {
			return err
		}
		p.AwaitRoom()
	}
}

// TryWrite is Write that does not wait: it says how much of data was taken. When that is not all, AwaitRoom or Park
// waits until more may be. b is flushed then.
func (p *Pipe) TryWrite(b *Batch, data []byte, end bool) (int, error) {
	p.mu.Lock()
	p.writable = false
	s, err := p.s, p.err
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	n, err := s.WriteData(b, data, end)
	if err != nil {
		return n, p.reason(err)
	}
	if n < len(data) && b != nil {
		b.Flush()
	}
	return n, nil
}

// AwaitRoom waits, behind a TryWrite, until another one is worth it.
func (p *Pipe) AwaitRoom() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.waitsForRoom() {
		p.cond.Wait()
	}
}

// Resumer goes on with what waited without a goroutine.
type Resumer interface {
	// Resume is called once. It must not block.
	Resume()
}

// Park is AwaitRoom without a goroutine: r goes on, perhaps before Park returns, and the caller's goroutine touches
// nothing of it any more. False: there is nothing to wait for.
func (p *Pipe) Park(r Resumer) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waitsForRoom() {
		return false
	}
	p.parked = r
	return true
}

// waitsForRoom tells that TryWrite would still take nothing.
//
// +checklocks:p.mu
func (p *Pipe) waitsForRoom() bool { return !p.writable && p.err == nil && !p.closed }

// unpark takes out who has parked, nil: nobody. He is to be resumed when the lock is free.
//
// +checklocks:p.mu
func (p *Pipe) unpark() Resumer {
	r := p.parked
	p.parked = nil
	return r
}

// resume has r go on, if there is one.
func resume(r Resumer) {
	if r != nil {
		r.Resume()
	}
}

// reason prefers what the peer said to the bare fact that the stream is over.
func (p *Pipe) reason(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	return err
}

// Close gives the memory back. What still comes is dropped. It does not end the stream: that is Stream.Reset, or its
// orderly end.
func (p *Pipe) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.consume()
	n := len(p.q.b)
	p.q.free()
	p.lent.free()
	if n > 0 {
		p.s.Consumed(nil, n)
	}
	p.cond.Broadcast()
}

// consume counts what Next has lent as passed on.
//
// +checklocks:p.mu
func (p *Pipe) consume() {
	n := len(p.lent.b)
	p.again = 0
	if n == 0 {
		return
	}
	if len(p.q.b) > 0 {
		p.lent.b = p.lent.buf.B[:0] // the next bytes gather in it
	} else {
		p.lent.free()
	}
	p.s.Consumed(nil, n)
}

// awaited is what a read waits for.
type awaited bool

const (
	forHead awaited = false
	forBody awaited = true // a piece of it, or its end
)

// has tells whether what a read waits for is there.
//
// +checklocks:p.mu
func (p *Pipe) has(what awaited) bool {
	if what == forHead {
		return len(p.heads) > 0
	}
	return len(p.q.b) > 0 || p.end
}

// wait waits for something to read, and says why it gave up before that.
//
// +checklocks:p.mu
func (p *Pipe) wait(what awaited) (err error) {
	r := &p.read
	for err == nil && !p.has(what) {
		switch {
		case p.err != nil:
			err = p.err
		case p.closed:
			err = ErrClosed
		case r.interrupted:
			r.interrupted = false
			err = netio.ErrInterrupted
		case r.late:
			r.late = false
			err = netio.ErrTimeout
		default:
			if !r.waits && r.at != 0 {
				p.s.SetDeadline(r.at)
			}
			r.waits = true
			p.cond.Wait()
		}
	}
	r.waits = false
	return err
}
