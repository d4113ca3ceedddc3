package netio

import (
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	// ErrTimeout is returned when the moment given to SetReadDeadline has passed, until another one is given. It is
	// also returned by a write that stalled for the write timeout, and by all writes after it.
	ErrTimeout = errors.New("timeout")
	// ErrInterrupted is returned by a Read that Interrupt woke. Nothing was consumed, and the connection is as good as
	// before.
	ErrInterrupted = errors.New("interrupted")
)

// Hangup is how the peer's side of a connection stands.
type Hangup uint8

const (
	Open       Hangup = iota // no end was seen
	HalfClosed               // the peer sent FIN: it will send no more, but may still read
	Reset                    // the connection is gone in both directions
)

// Conn is one stream connection. Make it with New; it belongs to one goroutine, except where a method says otherwise.
// There is one for each idle connection too, so its size matters: see TestConnSize.
type Conn struct {
	// the connection as it was accepted or dialled: *socket, *net.TCPConn, *tls.Conn, *net.UnixConn, a pipe
	net.Conn
	raw     syscall.RawConn // the socket, also under TLS; nil when there is none
	sweeper *Sweeper

	// moment (Sweeper.Now) at which a read gives up; 0 never, negative: the sweeper has woken the reader
	readAt  atomic.Int64
	writeAt atomic.Int64 // the same for writes

	writeTimeout time.Duration // longest stall of one write; 0 none

	rb  []byte // the read in hand: its buffer, or nil for a pooled one
	buf *Buffer
	rn  int
	re  syscall.Errno
	wb  []byte // the write in hand
	we  syscall.Errno

	tryReadFn, tryWriteFn func(uintptr) bool // nil when not plain
	peekFn                func(uintptr)      // made at the first use

	next, prev *Conn   // the sweeper's list of awake, or of parked, connections; these six are guarded by its mutex
	owner      Resumer // goes on with it; while it is parked
	fd         int32   // while it is parked: the index in the sweeper's table
	ticket     uint32  // of the latest parking; 0: never parked
	place      place

	interrupt atomic.Bool
	plain     bool    // Conn is the socket itself: read and written with raw; else Conn.Read and Conn.Write do the work
	once      bool    // the call in hand makes one attempt and does not wait
	few       bool    // ReadFirst takes a small buffer
	come      come    // the result of peekFn
	peeked    bool    // first has a byte that Unread has met
	first     [1]byte // what ReadFirst waits with where it cannot wait without a buffer
}

// New wraps nc and puts it under the sweeper's care until Close. writeTimeout bounds each stall of a write; 0 means
// none.
func New(nc net.Conn, s *Sweeper, writeTimeout time.Duration) *Conn {
	c := &Conn{Conn: nc, sweeper: s, writeTimeout: writeTimeout}
	if b, ok := nc.(interface{ briefly() syscall.RawConn }); ok {
		c.raw, c.plain = b.briefly(), true // our callbacks do not wait
		c.tryReadFn, c.tryWriteFn = c.tryRead, c.tryWrite
	} else if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			c.raw, c.plain = raw, true
			c.tryReadFn, c.tryWriteFn = c.tryRead, c.tryWrite
		}
	} else if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		if sc, ok := t.NetConn().(syscall.Conn); ok {
			if raw, err := sc.SyscallConn(); err == nil {
				c.raw = raw
			}
		}
	}
	s.add(c)
	return c
}

// SetWriteTimeout changes the longest stall of one write, in force from the next one.
func (c *Conn) SetWriteTimeout(d time.Duration) { c.writeTimeout = d }

// SetReadDeadline names the moment, on the clock of [Sweeper.Now], after which reads return [ErrTimeout]; 0 takes the
// limit away. Safe from any goroutine; a reader that is already waiting obeys the new moment.
func (c *Conn) SetReadDeadline(at int64) { c.readAt.Store(at) }

// Interrupt makes the Read that is waiting now, or the next one, return [ErrInterrupted] once. Safe from any goroutine.
func (c *Conn) Interrupt() {
	c.interrupt.Store(true)
	_ = c.Conn.SetReadDeadline(past) // a closed connection needs no waking
	c.sweeper.wakeParked(c)
}

// ClearInterrupt forgets an Interrupt that no Read has met yet. Only when nobody can call Interrupt any more.
func (c *Conn) ClearInterrupt() {
	if c.interrupt.Swap(false) {
		c.rest()
	}
}

// rest takes the wake-up of a read back, unless the sweeper has given, or is about to give, one that counts. Looking
// only after the deadline was cleared is what makes that certain: the sweeper marks readAt before it wakes. It reports
// whether the moment has passed.
func (c *Conn) rest() (late bool) {
	_ = c.Conn.SetReadDeadline(time.Time{}) // a closed connection says so at the next read
	if late = c.readAt.Load() < 0; late {
		_ = c.Conn.SetReadDeadline(past)
	}
	return late
}

// Close closes the connection and takes it out of the sweeper's list. Safe from any goroutine, and more than once.
func (c *Conn) Close() error {
	owner := c.sweeper.remove(c)
	err := c.Conn.Close()
	if owner != nil {
		go owner.Resume()
	}
	return err
}

// Abort closes the connection so that the peer sees a reset instead of an orderly end, where the transport knows the
// difference.
func (c *Conn) Abort() error {
	nc := c.Conn
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn()
	}
	if l, ok := nc.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0) // a connection that is gone already needs no reset
	}
	owner := c.sweeper.remove(c)
	err := nc.Close()
	if owner != nil {
		go owner.Resume()
	}
	return err
}

// CloseWrite sends FIN (or TLS close_notify) and leaves the reading side open.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return c.Conn.Close()
}

// Hangup asks how the peer stands, without consuming a byte and without blocking. Where it cannot be known the result
// is Open.
func (c *Conn) Hangup() Hangup {
	if c.raw == nil {
		return Open
	}
	h := Reset
	_ = c.raw.Control(func(fd uintptr) { h = hangup(fd) }) // an error means closed, which Reset says
	return h
}

// Quiet tells whether an idle connection is open and has no unread data. A peer that has closed it, or sent what
// nobody asked for, makes it false. It consumes nothing and does not block. Where it cannot be known the result is
// true. It is the reader's to call.
func (c *Conn) Quiet() bool { return !c.Unread() && (c.raw == nil || c.peek() == comeNothing) }

// Drained tells whether nothing that the peer has sent is unread, but for its end: closing such a connection resets
// nothing. It consumes nothing and does not block. Where it cannot be known the result is false. It is the reader's to
// call.
func (c *Conn) Drained() bool {
	return !c.Unread() && c.raw != nil && c.peek() != comeMore
}

// come is what has come at a socket.
type come uint8

const (
	comeMore    come = iota // data, or an error
	comeEnd                 // the peer's end, and nothing before it
	comeNothing             // nothing
)

// peek looks at what has come at the socket; a closed one has an error.
func (c *Conn) peek() come {
	if c.peekFn == nil {
		c.peekFn = func(fd uintptr) { c.come = peekSocket(fd) }
	}
	if c.raw.Control(c.peekFn) != nil {
		return comeMore
	}
	return c.come
}
