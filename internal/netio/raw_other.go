//go:build !linux

package netio

import (
	"errors"
	"syscall"
)

func rawRead(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), b)
	return n, errnoOf(err)
}

func rawWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), b)
	return n, errnoOf(err)
}

func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	var e syscall.Errno
	if errors.As(err, &e) {
		return e
	}
	return syscall.EIO
}

// hangup peeks at one byte. Bytes that wait in front of a FIN hide it here. So a client that is gone may be noticed
// only when it is written to.
func hangup(fd uintptr) Hangup {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return Open
	case err != nil:
		return Reset
	case n == 0:
		return HalfClosed
	}
	return Open
}

// peekSocket looks at what has come, and consumes nothing.
func peekSocket(fd uintptr) come {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return comeNothing
	case err == nil && n == 0:
		return comeEnd
	}
	return comeMore
}
