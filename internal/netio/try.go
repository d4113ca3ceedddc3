package netio

import (
	"errors"
	"syscall"
)

// ErrWouldBlock says that a call which never waits could not do all of its work now.
var ErrWouldBlock = errors.New("would block")

// TryFirst is [Conn.ReadFirst] that does not wait: with ErrWouldBlock nothing has come, or it can not be known.
// Whatever else went wrong, the next read meets it too, if only as the end of the stream. Nobody else may read or write
// meanwhile.
func (c *Conn) TryFirst() (*Buffer, int, error) {
	if !c.plain {
		return nil, 0, ErrWouldBlock
	}
	c.once = true
	err := c.raw.Read(c.tryReadFn)
	c.once = false
	if err != nil || c.re == syscall.EAGAIN { // an error: a wake-up, which the next read makes sense of
		return nil, 0, ErrWouldBlock
	}
	return c.takeFirst()
}

// TryWrite writes as much of b as the socket takes at once and reports how much that was; with ErrWouldBlock the rest
// is for [Conn.Write]. Nobody else may read or write meanwhile.
func (c *Conn) TryWrite(b []byte) (int, error) {
	if !c.plain || len(b) == 0 {
		return 0, ErrWouldBlock
	}
	c.wb, c.once = b, true
	err := c.raw.Write(c.tryWriteFn)
	n := len(b) - len(c.wb)
	c.wb, c.once = nil, false
	switch {
	case err != nil, c.we == syscall.EAGAIN:
		return n, ErrWouldBlock
	case c.we != 0:
		return n, c.we
	}
	return n, nil
}

// TryRead is read(2) for callbacks of a syscall.RawConn: one attempt on a non-blocking descriptor, made without telling
// the scheduler, since it returns at once. One that a signal interrupts is made again. b must not be empty. With an
// error of 0, a count of 0 is the end of the stream.
func TryRead(fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		if n, e := rawRead(fd, b); e != syscall.EINTR {
			return n, e
		}
	}
}

// TryWrite is write(2) under the same terms.
func TryWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		if n, e := rawWrite(fd, b); e != syscall.EINTR {
			return n, e
		}
	}
}

// tryWriteAll writes until all of b is out or there is an error, which is EAGAIN when the socket is full. rest is what
// is not out.
func tryWriteAll(fd uintptr, b []byte) (rest []byte, e syscall.Errno) {
	for len(b) > 0 {
		n, e := TryWrite(fd, b)
		if e != 0 {
			return b, e
		}
		b = b[n:]
	}
	return b, 0
}

// TryHangup asks how the peer of a descriptor stands, as [Conn.Hangup] does.
func TryHangup(fd uintptr) Hangup { return hangup(fd) }
