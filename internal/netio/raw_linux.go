package netio

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rawRead is recv(2), which is read(2) with a shorter way through the kernel, on a non-blocking socket without telling
// the scheduler. The call returns at once. b must not be empty.
func rawRead(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), e
}

// rawWrite is send(2) under the same terms.
func rawWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), e
}

// rawEpoll is epoll_pwait(2) that does not wait, under the same terms.
func rawEpoll(set uintptr, events []unix.EpollEvent) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, set, uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), 0, 0, 0)
	return int(n), e
}

// hangup asks the kernel, without consuming a byte, how the peer's side stands; unread bytes in front of a FIN do not
// hide it.
func hangup(fd uintptr) Hangup {
	p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(p, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || n == 0:
			return Open
		case p[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0:
			return Reset
		case p[0].Revents&unix.POLLRDHUP != 0:
			return HalfClosed
		}
		return Open
	}
}

// peekSocket looks at what has come, and consumes nothing.
func peekSocket(fd uintptr) come {
	var b [1]byte
	n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	switch {
	case e == syscall.EAGAIN:
		return comeNothing
	case e == 0 && n == 0:
		return comeEnd
	}
	return comeMore
}
