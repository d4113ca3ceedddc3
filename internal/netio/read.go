package netio

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// Read reads into b, which must not be empty, like io.Reader: at least one byte, or an error. It waits until the moment
// given to SetReadDeadline.
func (c *Conn) Read(b []byte) (int, error) {
	for {
		n, err := c.readOnce(b)
		if n > 0 {
			return n, nil
		}
		if err = c.why(err); err != nil {
			return 0, err
		}
	}
}

// ReadFirst waits for bytes without holding a buffer, and hands out what came in a pooled buffer that the caller frees.
// Where Conn is no plain socket that is a single byte: what came along with it costs the next Read no system call.
func (c *Conn) ReadFirst() (*Buffer, int, error) {
	if !c.plain {
		n, err := c.Read(c.first[:])
		if n == 0 {
			return nil, 0, err
		}
		b := NewBuffer()
		b.B[0] = c.first[0]
		return b, n, nil
	}
	for {
		err := c.raw.Read(c.tryReadFn)
		if err == nil {
			return c.takeFirst()
		}
		if err = c.why(err); err != nil {
			return nil, 0, err
		}
	}
}

// takeFirst hands out what tryFirst has come to.
func (c *Conn) takeFirst() (*Buffer, int, error) {
	b := c.buf
	c.buf = nil
	switch {
	case c.re != 0:
		b.Free()
		return nil, 0, c.re
	case c.rn == 0:
		b.Free()
		return nil, 0, io.EOF
	}
	return b, c.rn, nil
}

func (c *Conn) readOnce(b []byte) (int, error) {
	if c.peeked {
		return c.takePeeked(b), nil
	}
	if !c.plain {
		return c.readOver(b)
	}
	c.rb = b
	err := c.raw.Read(c.tryReadFn)
	c.rb = nil
	switch {
	case err != nil:
		return 0, err
	case c.re != 0:
		return 0, c.re
	case c.rn == 0:
		return 0, io.EOF
	}
	return c.rn, nil
}

// tryRead reads into rb, or, when that is nil, into a pooled buffer that it keeps only if bytes came.
func (c *Conn) tryRead(fd uintptr) bool {
	if c.rb == nil {
		return c.tryFirst(fd)
	}
	c.rn, c.re = TryRead(fd, c.rb)
	return c.re != syscall.EAGAIN
}

// tryFirst takes a buffer only for the attempt, and keeps it if bytes came.
func (c *Conn) tryFirst(fd uintptr) bool {
	b := c.firstBuffer()
	c.rn, c.re = TryRead(fd, b.B)
	if c.re == syscall.EAGAIN {
		b.Free()
		return c.once
	}
	c.buf = b
	return true
}

// SetSmallFirst has [Conn.ReadFirst] and [Conn.TryFirst] take a small buffer, so that less is read at once. It belongs
// to who reads.
func (c *Conn) SetSmallFirst(on bool) { c.few = on }

func (c *Conn) firstBuffer() *Buffer {
	if c.few {
		return small.Get().(*Buffer)
	}
	return NewBuffer()
}

// why tells what a read without bytes means. It is nil when it was woken for nothing (a deadline that was moved
// meanwhile) and should be tried again.
func (c *Conn) why(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if c.rest() {
		return ErrTimeout // an Interrupt keeps: the deadline is still in the past when the moment has been moved
	}
	if c.interrupt.Swap(false) {
		return ErrInterrupted
	}
	return nil
}
