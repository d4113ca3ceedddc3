package netio

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// arrivals tells when a connection has come to a listening socket, and leaves it there. It has a handle of its own on
// the socket, since that of a net.Listener can only accept.
type arrivals struct {
	file *os.File
	raw  syscall.RawConn
}

// watchArrivals returns nil where nobody can tell: ln is no socket, or there is no descriptor left.
func watchArrivals(ln net.Listener) *arrivals {
	t, ok := ln.(*net.TCPListener)
	if !ok {
		return nil
	}
	f, err := t.File()
	if err != nil {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil || f.SetReadDeadline(time.Time{}) != nil { // what has no deadlines cannot wait
		_ = f.Close()
		return nil
	}
	return &arrivals{f, raw}
}

// wait returns when a connection is there, or with the error of a deadline that has passed. On a nil arrivals it
// returns at once.
func (a *arrivals) wait() error {
	if a == nil {
		return nil
	}
	return a.raw.Read(arrived)
}

// arrived tells whether an accept would not wait, or has an error to tell.
func arrived(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(p, 0)
		if err != unix.EINTR {
			return n != 0
		}
	}
}

func (a *arrivals) setDeadline(at time.Time) {
	if a != nil {
		_ = a.file.SetReadDeadline(at) // it has deadlines, and is open
	}
}

func (a *arrivals) close() {
	if a != nil {
		_ = a.file.Close() // the socket lives on in other handles
	}
}
