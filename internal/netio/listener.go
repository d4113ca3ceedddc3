package netio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"
)

// Listener is a bound address. Connections are accepted from it between Start and Close, which belong to one goroutine
// at a time.
type Listener struct {
	ln     net.Listener
	direct *acceptor          // nil: ln accepts
	stop   context.CancelFunc // nil: not started
	done   chan struct{}      // closed when the accept loop has ended
}

// NewListener takes ln over, of whatever kind.
func NewListener(ln net.Listener) *Listener { return &Listener{ln: ln, done: make(chan struct{})} }

// Listen binds the TCP address, if need be beside leavers, which are about to be closed. It accepts nothing before
// Start.
func Listen(ctx context.Context, address string, leavers []*Listener) (*Listener, error) {
	ln, err := listenBeside(ctx, address, leavers)
	if err != nil {
		return nil, err
	}
	return NewListener(ln), nil
}

// Addr is where it is bound. Safe from any goroutine.
func (l *Listener) Addr() net.Addr { return l.ln.Addr() }

// Share gives a second handle on the socket, for another owner to accept from. So an address never stops being
// listened on while it changes hands. nil: it is no socket that can be shared. The handle is the caller's to close.
func (l *Listener) Share() *Listener {
	t, ok := l.ln.(*net.TCPListener)
	if !ok {
		return nil
	}
	f, err := t.File()
	if err != nil {
		return nil // then binding the address says why
	}
	defer f.Close()
	second, err := net.FileListener(f)
	if err != nil {
		return nil
	}
	return NewListener(second)
}

// Start begins to accept within limit, as long as ctx lasts. Each connection is handed to serve, which must not block
// and owes the limit a Release. Errors that pass (no more descriptors, a connection gone before it was accepted) are
// told to report, waited out and survived. A panic of serve is told to it as a [PanicError]. The goroutine ends with
// Close, and is waited for there.
func (l *Listener) Start(ctx context.Context, limit *Limit, serve func(net.Conn), report func(error)) {
	ctx, l.stop = context.WithCancel(ctx)
	l.direct = newAcceptor(l.ln)
	go func() {
		defer close(l.done)
		l.accept(ctx, limit, serve, report)
	}()
}

const (
	firstPause = 5 * time.Millisecond // as net/http waits after a passing accept error, such as EMFILE
	lastPause  = time.Second
)

// accept is the loop of Start. The end of ctx frees it from waiting for a place or after an error. Only a deadline, or
// closing the socket, frees it from waiting for a connection.
func (l *Listener) accept(ctx context.Context, limit *Limit, serve func(net.Conn), report func(error)) {
	pause := firstPause
	for {
		nc, err := l.next(ctx, limit)
		if err == nil {
			pause = firstPause
			hand(nc, limit, serve, report)
			continue
		}
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			return
		}
		report(err)
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// PanicError is a fault of ours that ended a connection before it was served.
type PanicError struct {
	Value any // of the panic
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("BUG: panic: %v", e.Value) }

// hand gives a connection to serve. A panic of serve is a fault of ours, which ends this connection and not the
// listener: it is reported with its stack.
func hand(nc net.Conn, limit *Limit, serve func(net.Conn), report func(error)) {
	defer func() {
		if p := recover(); p != nil {
			_ = nc.Close() // nothing was begun on it
			limit.Release()
			report(&PanicError{p, debug.Stack()})
		}
	}()
	serve(nc)
}

// next waits for a connection and for its place. Where ln accepts, the place has to come first, or what is over the
// limit would be accepted.
func (l *Listener) next(ctx context.Context, limit *Limit) (net.Conn, error) {
	if l.direct != nil {
		return l.direct.next(ctx, limit)
	}
	if !limit.take(ctx) {
		return nil, ctx.Err()
	}
	nc, err := l.ln.Accept()
	if err != nil {
		limit.Release()
	}
	return nc, err
}

// lastCall is how long connections are still accepted that have come already.
const lastCall = 5 * time.Millisecond

// Close stops accepting, after what has connected already: at once it would reset those in the kernel's queue, with
// their requests. Connections that were accepted live on.
func (l *Listener) Close() {
	if l.stop == nil {
		_ = l.ln.Close() // it never began
		return
	}
	l.stop()
	by := time.Now().Add(lastCall)
	l.direct.setDeadline(by)
	if d, ok := l.ln.(interface{ SetDeadline(at time.Time) error }); ok && d.SetDeadline(by) == nil {
		<-l.done
	}
	_ = l.ln.Close() // it is not needed any more
	<-l.done
	l.direct.close()
}
