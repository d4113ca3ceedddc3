package testgateway

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Sockets are blocking TCP sockets of 127.0.0.1, as the kernel's numbers. Next to nothing of them is in Go's heap, so
// that a test with many of them measures the gateway alone.
type Sockets struct {
	t   testing.TB
	all []int
}

// NewSockets makes what closes its sockets when the test ends.
func NewSockets(t testing.TB) *Sockets {
	s := &Sockets{t: t}
	t.Cleanup(func() {
		for _, n := range s.all {
			_ = unix.Close(n)
		}
	})
	return s
}

// Dial connects a socket.
func (s *Sockets) Dial(address string) int {
	s.t.Helper()
	n := s.open()
	to, err := netip.ParseAddrPort(address)
	if err == nil {
		err = unix.Connect(n, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if err != nil {
		s.t.Fatalf("connect to %s: %v", address, err)
	}
	return n
}

// Listen is a socket that so many others can connect to, before one of them is accepted.
func (s *Sockets) Listen(backlog int) (n int, address string) {
	s.t.Helper()
	n = s.open()
	err := errors.Join(unix.Bind(n, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(n, backlog))
	if err != nil {
		s.t.Fatal(err)
	}
	name, err := unix.Getsockname(n)
	bound, ok := name.(*unix.SockaddrInet4)
	if err != nil || !ok {
		s.t.Fatalf("a socket at %v: %v", name, err)
	}
	return n, netip.AddrPortFrom(netip.AddrFrom4(bound.Addr), uint16(bound.Port)).String()
}

// Accept waits for the next connection to a socket that listens.
func (s *Sockets) Accept(listening int) int {
	s.t.Helper()
	for {
		n, _, err := unix.Accept4(listening, unix.SOCK_CLOEXEC)
		if err == nil {
			return s.own(n)
		}
		if !errors.Is(err, unix.EINTR) {
			s.t.Fatal(err)
		}
	}
}

// Send sends all of a short text.
func (s *Sockets) Send(n int, text []byte) {
	s.t.Helper()
	if sent, err := unix.Write(n, text); sent != len(text) {
		s.t.Fatalf("sent %d of %d bytes: %v", sent, len(text), err)
	}
}

// Fill reads until the buffer is full.
func (s *Sockets) Fill(n int, buf []byte) {
	s.t.Helper()
	for len(buf) > 0 {
		came, err := unix.Read(n, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if came <= 0 {
			s.t.Fatalf("%d bytes are missing: %d, %v", len(buf), came, err)
		}
		buf = buf[came:]
	}
}

func (s *Sockets) open() int {
	s.t.Helper()
	n, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.own(n)
}

// own closes a socket with the test, and bounds how long it waits.
func (s *Sockets) own(n int) int {
	s.t.Helper()
	s.all = append(s.all, n)
	timeout := unix.NsecToTimeval(Patience.Nanoseconds())
	if err := unix.SetsockoptTimeval(n, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		s.t.Fatal(err)
	}
	return n
}
