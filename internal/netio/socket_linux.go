package netio

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// socket is a TCP connection that was accepted. The runtime's poller does not know of it before somebody has to wait.
// Most of what is short-lived has its request there already, and costs the poller nothing. From then on it is an
// os.File, whose descriptor it is. Its methods are safe from any goroutine, as those of a net.Conn are.
type socket struct {
	fd     int32
	remote netip.AddrPort
	file   atomic.Pointer[polled] // nil: nobody has waited yet

	mu sync.Mutex
	// Callbacks that use the descriptor outside the poller. They do not wait.
	// +checklocks:mu
	calls int32
	// Close was called. The descriptor is closed once calls is 0.
	// +checklocks:mu
	closed bool
	// Calls that fail, by way: their deadline has passed.
	// +checklocks:mu
	late [ofNeither]bool
}

// way is what a deadline is for.
type way uint8

const (
	ofReads way = iota
	ofWrites
	ofNeither
)

// polled is a socket in the runtime's poller.
type polled struct {
	*os.File
	raw syscall.RawConn
}

// newSocket takes over a non-blocking descriptor.
func newSocket(fd int, remote netip.AddrPort) *socket { return &socket{fd: int32(fd), remote: remote} }

// poll has the runtime's poller know of the socket. Where it has no room, a read or write that would wait fails.
func (s *socket) poll() (*polled, error) {
	if p := s.file.Load(); p != nil {
		return p, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.file.Load(); p != nil {
		return p, nil
	}
	if s.closed {
		return nil, net.ErrClosed
	}
	p := &polled{File: os.NewFile(uintptr(s.fd), "tcp")}
	var err error
	if p.raw, err = p.File.SyscallConn(); err != nil {
		return nil, err // it never fails
	}
	if s.late[ofReads] {
		_ = p.File.SetReadDeadline(past) // what has no deadlines cannot wait either
	}
	if s.late[ofWrites] {
		_ = p.File.SetWriteDeadline(past)
	}
	s.file.Store(p)
	return p, nil
}

// enter begins a callback, which leave ends unless the result is a polled socket, that sees to itself. w is whose
// deadline it obeys.
func (s *socket) enter(w way) (*polled, error) {
	if p := s.file.Load(); p != nil {
		return p, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.file.Load()
	switch {
	case p != nil:
	case s.closed:
		return nil, net.ErrClosed
	case w != ofNeither && s.late[w]:
		return nil, os.ErrDeadlineExceeded
	default:
		s.calls++
	}
	return p, nil
}

// leave ends a callback. The last one closes what Close could not.
func (s *socket) leave() {
	s.mu.Lock()
	s.calls--
	last := s.closed && s.calls == 0
	s.mu.Unlock()
	if last {
		_ = s.shut() // nobody waits to hear of it
	}
}

// attempt runs f once, outside the poller.
func (s *socket) attempt(f func(uintptr) bool) bool {
	defer s.leave()
	return f(uintptr(s.fd))
}

// Close closes the connection. Callbacks that are under way outside the poller are over soon, and it is closed then.
func (s *socket) Close() error {
	s.mu.Lock()
	again, busy := s.closed, s.calls > 0
	s.closed = true
	s.mu.Unlock()
	switch {
	case again:
		return net.ErrClosed
	case busy:
		return nil
	}
	return s.shut()
}

// shut closes the descriptor. Nobody uses it outside the poller, and nobody will.
func (s *socket) shut() error {
	if p := s.file.Load(); p != nil {
		return p.Close()
	}
	return rawClose(int(s.fd))
}

// reason gives what the poller says of a closed file the words of a connection.
func (s *socket) reason(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	return err
}

// rawSocket is a socket as a syscall.RawConn whose callbacks do not wait, and do not call it. The poller hears of it
// when one of them wants to be called again.
type rawSocket socket

func (r *rawSocket) Control(f func(fd uintptr)) error {
	s := (*socket)(r)
	p, err := s.enter(ofNeither)
	switch {
	case err != nil:
		return err
	case p != nil:
		return s.reason(p.raw.Control(f))
	}
	defer s.leave()
	f(uintptr(s.fd))
	return nil
}

func (r *rawSocket) Read(f func(fd uintptr) bool) error { return (*socket)(r).until(ofReads, f) }

func (r *rawSocket) Write(f func(fd uintptr) bool) error { return (*socket)(r).until(ofWrites, f) }

// until calls f until it returns true: once outside the poller, and then as often as that reports w.
func (s *socket) until(w way, f func(fd uintptr) bool) error {
	p, err := s.enter(w)
	if p == nil && err == nil {
		if s.attempt(f) {
			return nil
		}
		p, err = s.poll()
	}
	switch {
	case err != nil:
		return err
	case w == ofReads:
		return s.reason(p.raw.Read(f))
	}
	return s.reason(p.raw.Write(f))
}

// briefly is the socket for callbacks that do not wait; see [Conn].
func (s *socket) briefly() syscall.RawConn { return (*rawSocket)(s) }

// unpolled tells whether nobody has waited for it yet.
func (s *socket) unpolled() bool { return s.file.Load() == nil }

// SyscallConn is for callbacks of any kind: the poller knows of the socket from now on.
func (s *socket) SyscallConn() (syscall.RawConn, error) {
	if _, err := s.poll(); err != nil {
		return nil, err
	}
	return (*rawSocket)(s), nil
}

func (s *socket) Read(b []byte) (int, error) {
	p, err := s.poll()
	if err != nil {
		return 0, s.wrap("read", err)
	}
	n, err := p.File.Read(b)
	return n, s.wrap("read", err)
}

func (s *socket) Write(b []byte) (int, error) {
	p, err := s.poll()
	if err != nil {
		return 0, s.wrap("write", err)
	}
	n, err := p.File.Write(b)
	return n, s.wrap("write", err)
}

// wrap gives an error the form that package net gives it: crypto/tls asks whether it is temporary.
func (s *socket) wrap(op string, err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	if of, ok := errors.AsType[*os.PathError](err); ok {
		err = of.Err
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: s.RemoteAddr(), Err: s.reason(err)}
}

// CloseWrite sends FIN.
func (s *socket) CloseWrite() error {
	return s.control("shutdown", func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_WR) })
}

// SetLinger is that of a net.TCPConn, for 0 seconds: closing resets.
func (s *socket) SetLinger(sec int) error {
	l := &syscall.Linger{Onoff: 1, Linger: int32(sec)}
	if sec < 0 {
		l.Onoff = 0
	}
	return s.control("setsockopt", func(fd int) error {
		return syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, l)
	})
}

func (s *socket) control(call string, f func(fd int) error) error {
	var err error
	if closed := s.briefly().Control(func(fd uintptr) { err = os.NewSyscallError(call, f(int(fd))) }); closed != nil {
		return closed
	}
	return err
}

// RemoteAddr is the client's address, a *net.TCPAddr.
func (s *socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

// peer is the client's address, as [AddrPort] gives it.
func (s *socket) peer() netip.AddrPort { return s.remote }

// LocalAddr is where the client has connected to, a *net.TCPAddr; nil once the socket is closed.
func (s *socket) LocalAddr() net.Addr {
	var local netip.AddrPort
	_ = s.briefly().Control(func(fd uintptr) { local = localAddress(fd) }) // closed: no address
	if !local.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(local)
}

func (s *socket) SetDeadline(at time.Time) error {
	return errors.Join(s.SetReadDeadline(at), s.SetWriteDeadline(at))
}

func (s *socket) SetReadDeadline(at time.Time) error { return s.setDeadline(ofReads, at) }

func (s *socket) SetWriteDeadline(at time.Time) error { return s.setDeadline(ofWrites, at) }

func (s *socket) setDeadline(w way, at time.Time) error {
	if done, err := s.note(w, at); done {
		return err
	}
	p, err := s.poll()
	switch {
	case err != nil:
		return err
	case w == ofReads:
		return s.reason(p.File.SetReadDeadline(at))
	}
	return s.reason(p.File.SetWriteDeadline(at))
}

// note keeps a deadline that has passed, or that there is none. For any other one, and once the poller knows of the
// socket, it is not done.
func (s *socket) note(w way, at time.Time) (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.file.Load() != nil, !at.IsZero() && at != past && at.After(time.Now()):
		return false, nil
	case s.closed:
		return true, net.ErrClosed
	}
	s.late[w] = !at.IsZero()
	return true, nil
}
