package netio

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Splice moves up to n bytes between descriptors of which one is a pipe, without waiting: the sockets are non-blocking
// too. Like [TryRead] it does not tell the scheduler.
func Splice(from, to uintptr, n int) (int, syscall.Errno) {
	for {
		m, _, e := syscall.RawSyscall6(unix.SYS_SPLICE, from, 0, to, 0, uintptr(n),
			unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if e != syscall.EINTR {
			return int(m), e
		}
	}
}

// newPipe returns nil if the system has none to give.
func newPipe() *Pipe {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil
	}
	_, _ = unix.FcntlInt(uintptr(fds[1]), unix.F_SETPIPE_SZ, PipeBytes) // else it keeps the default, and works
	return &Pipe{In: uintptr(fds[1]), Out: uintptr(fds[0])}
}

func (p *Pipe) close() {
	_ = unix.Close(int(p.In)) // a pipe has nothing to tell
	_ = unix.Close(int(p.Out))
}
