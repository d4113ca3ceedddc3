package netio

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// Now is the moment on the clock that the deadlines of c are given on ([Sweeper.Now]).
func (c *Conn) Now() int64 { return c.sweeper.Now() }

// Plain tells whether c is a plain socket, whose [Conn.ReadFirst] waits without a buffer.
func (c *Conn) Plain() bool { return c.plain }

// Writer writes to a Conn without blocking, for a connection that many goroutines append to. One goroutine at a time
// uses it, and as long as there is a Writer, nobody calls Write of the Conn.
type Writer struct {
	c    *Conn
	cork *Cork           // the connection is TLS over a Cork
	raw  syscall.RawConn // nil: neither a socket nor TLS over a Cork, so that Try never writes
	b    []byte          // the write in hand
	e    syscall.Errno

	tryFn, waitFn func(uintptr) bool
}

// NewWriter makes the writer of c. A [Cork] under c holds records back from now on.
func NewWriter(c *Conn) *Writer {
	w := &Writer{c: c}
	if c.plain {
		w.raw = c.raw
	}
	if t, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		if k, ok := t.NetConn().(*Cork); ok && k.raw != nil {
			w.cork, w.raw = k, k.raw
			k.hold()
		}
	}
	w.tryFn, w.waitFn = w.try, w.wait
	return w
}

// BeforeWait has f called on the reading goroutine each time before a read waits, and reports whether it will be: only
// a Cork can tell.
func (w *Writer) BeforeWait(f func()) bool {
	if w.cork == nil {
		return false
	}
	w.cork.beforeWait = f
	return true
}

// Try writes as much of b as can be written now, and reports how much it has taken. With ErrWouldBlock not everything
// is out (which can happen although all was taken): call Finish with the rest, even when it is empty.
func (w *Writer) Try(b []byte) (int, error) {
	switch {
	case w.raw == nil:
		return 0, ErrWouldBlock
	case w.cork == nil:
		return w.send(b, w.tryFn)
	}
	if len(b) > 0 {
		if _, err := w.c.Conn.Write(b); err != nil {
			return 0, err
		}
	}
	return len(b), w.cork.push(w, w.tryFn)
}

// Finish writes b, and what Try holds, to the end. A stall longer than the write timeout is [ErrTimeout].
func (w *Writer) Finish(b []byte) error {
	switch {
	case w.cork != nil:
		if len(b) > 0 {
			if _, err := w.c.Conn.Write(b); err != nil {
				return err
			}
		}
		return w.cork.push(w, w.waitFn)
	case len(b) == 0:
		return nil
	}
	_, err := w.c.Write(b)
	return err
}

// send gives b to the socket by f, which is tryFn or waitFn, and reports how much went out.
func (w *Writer) send(b []byte, f func(uintptr) bool) (int, error) {
	w.b = b
	var err error
	for {
		err = w.raw.Write(f)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if w.c.writeAt.Load() < 0 {
			err = ErrTimeout
			break
		}
		_ = w.c.Conn.SetWriteDeadline(time.Time{}) // a wake-up meant for an earlier write
	}
	n := len(b) - len(w.b)
	w.b = nil
	switch {
	case err != nil:
		return n, err
	case w.e != 0:
		return n, w.e
	case n < len(b):
		return n, ErrWouldBlock
	}
	return n, nil
}

// try writes until the socket is full, and leaves it at that.
func (w *Writer) try(fd uintptr) bool {
	w.write(fd)
	return true
}

// wait writes until everything is out; a socket that is full is waited for.
func (w *Writer) wait(fd uintptr) bool {
	w.write(fd)
	if len(w.b) > 0 && w.e == 0 {
		w.c.armWrite()
		return false
	}
	w.c.disarmWrite()
	return true
}

// write writes until the socket is full, which is no error.
func (w *Writer) write(fd uintptr) {
	if w.b, w.e = tryWriteAll(fd, w.b); w.e == syscall.EAGAIN {
		w.e = 0
	}
}
