package netio

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// acceptor accepts from a listening socket with one system call for each connection, and one that finds nothing before
// it waits. It has a handle of its own on the socket, since that of a net.Listener makes several.
type acceptor struct {
	addr net.Addr
	file *os.File
	raw  syscall.RawConn
	try  func(uintptr) bool

	limit *Limit // of the accept in hand
	held  bool   // a place is held
	full  bool   // a connection has come, for which there is no place
	fd    int
	from  netip.AddrPort
	errno syscall.Errno

	sa unix.RawSockaddrAny
}

// newAcceptor returns nil where a net.Listener has to accept: ln is no socket, or there is no descriptor left.
func newAcceptor(ln net.Listener) *acceptor {
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
	a := &acceptor{addr: ln.Addr(), file: f, raw: raw}
	a.try = a.attempt
	return a
}

// next waits for a connection, and for its place. The order matters: a listener to which nobody comes then holds no
// place that another needs. And what is over the limit stays in the kernel's queue. An error is that of a deadline
// that has passed, of ctx, or of the accept.
func (a *acceptor) next(ctx context.Context, limit *Limit) (net.Conn, error) {
	a.limit = limit
	for {
		err := a.raw.Read(a.try)
		switch {
		case err == nil && a.full:
			if a.held = limit.take(ctx); !a.held {
				return nil, ctx.Err()
			}
			continue
		case err == nil && a.errno == 0:
			a.held = false // it is the connection's
			return newSocket(a.fd, a.from), nil
		case err == nil:
			err = &net.OpError{Op: "accept", Net: "tcp", Addr: a.addr, Err: os.NewSyscallError("accept4", a.errno)}
		}
		a.release()
		return nil, err
	}
}

// attempt accepts, if there is a place; without one it tells whether one is needed.
func (a *acceptor) attempt(fd uintptr) bool {
	if !a.held {
		if a.held = a.limit.tryTake(); !a.held {
			a.full = arrived(fd)
			return a.full
		}
	}
	a.full = false
	if a.accept(fd); a.errno != syscall.EAGAIN {
		return true
	}
	a.release()
	return false
}

// release gives the place back, if one is held.
func (a *acceptor) release() {
	if a.held {
		a.held = false
		a.limit.Release()
	}
}

// accept is accept4(2), made without telling the scheduler: the call returns at once.
func (a *acceptor) accept(fd uintptr) {
	for {
		size := uint32(unix.SizeofSockaddrAny)
		n, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, fd, uintptr(unsafe.Pointer(&a.sa)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if e == syscall.EINTR || e == syscall.ECONNABORTED { // gone before it was accepted
			continue
		}
		a.fd, a.from, a.errno = int(n), addressOf(&a.sa), e
		return
	}
}

// addressOf is the TCP address in sa, in the form of [AddrPort].
func addressOf(sa *unix.RawSockaddrAny) netip.AddrPort {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), port(&in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom16(in.Addr).Unmap(), port(&in.Port))
	}
	return netip.AddrPort{}
}

// port reads what is in the order of the network.
func port(p *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:]) }

// localAddress is what fd is bound to.
func localAddress(fd uintptr) netip.AddrPort {
	var sa unix.RawSockaddrAny
	size := uint32(unix.SizeofSockaddrAny)
	_, _, e := syscall.RawSyscall(unix.SYS_GETSOCKNAME, fd, uintptr(unsafe.Pointer(&sa)),
		uintptr(unsafe.Pointer(&size)))
	if e != 0 {
		return netip.AddrPort{}
	}
	return addressOf(&sa)
}

// rawClose is close(2) on a socket that does not linger, made without telling the scheduler.
func rawClose(fd int) error {
	if _, _, e := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); e != 0 {
		return os.NewSyscallError("close", e)
	}
	return nil
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

func (a *acceptor) setDeadline(at time.Time) {
	if a != nil {
		_ = a.file.SetReadDeadline(at) // it has deadlines, and is open
	}
}

func (a *acceptor) close() {
	if a != nil {
		_ = a.file.Close() // the socket lives on in other handles
	}
}
