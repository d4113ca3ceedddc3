package netio

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// Write writes all of b.
func (c *Conn) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	if !c.plain {
		return c.writePlain(b)
	}
	c.wb = b
	for {
		err := c.raw.Write(c.tryWriteFn)
		if err == nil && c.we != 0 {
			err = c.we
		}
		if err == nil && len(c.wb) == 0 {
			c.wb = nil
			return len(b), nil
		}
		again, err := c.whyWrite(err)
		if again {
			continue
		}
		n := len(b) - len(c.wb)
		c.wb = nil
		return n, err
	}
}

// whyWrite tells what the error of a write means, and whether it was a wake-up meant for an earlier one.
func (c *Conn) whyWrite(err error) (again bool, _ error) {
	switch {
	case !errors.Is(err, os.ErrDeadlineExceeded):
		return false, err
	case c.writeAt.Load() >= 0:
		_ = c.Conn.SetWriteDeadline(time.Time{}) // a closed connection says so at the next write
		return true, nil
	}
	return false, ErrTimeout
}

// tryWrite writes until the socket is full. Only a write that has to wait arms the deadline, so the common one costs
// nothing.
func (c *Conn) tryWrite(fd uintptr) bool {
	c.wb, c.we = tryWriteAll(fd, c.wb)
	switch {
	case c.we != syscall.EAGAIN:
		c.disarmWrite()
		return true
	case c.once:
		return true
	}
	c.armWrite()
	return false
}

// plainPiece is how many bytes a connection that is no plain socket is given at a time, each with the write timeout
// anew. That is the content of one TLS record.
const plainPiece = 16 << 10

func (c *Conn) writePlain(b []byte) (n int, err error) {
	for n < len(b) {
		c.armWrite()
		m, err := c.Conn.Write(b[n:min(n+plainPiece, len(b))])
		n += m
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return n, ErrTimeout // for good, as in Write
		case c.writeAt.Swap(0) < 0:
			// the wake-up came too late; it must not meet the next write, to which, under TLS, it would be fatal
			c.sweeper.await()
			_ = c.Conn.SetWriteDeadline(time.Time{})
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *Conn) armWrite() {
	if c.writeTimeout > 0 {
		c.writeAt.Store(c.sweeper.Now() + int64(c.writeTimeout))
	}
}

func (c *Conn) disarmWrite() {
	if c.writeAt.Load() != 0 {
		c.writeAt.Store(0)
	}
}
