package netio

import (
	"context"
	"net"
	"syscall"
	"testing"
)

// What is accepted has package net's options, whoever has set them.
func TestAcceptedOptions(t *testing.T) {
	first, err := Listen(t.Context(), "127.0.0.1:0", nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	want := options(t, plain, net.Listener.Accept)
	if got := options(t, first.ln, direct); got != want {
		t.Errorf("options of an accepted connection: %v, want %v", got, want)
	}
	second := first.Share()
	defer second.Close()
	first.Close()
	if got := options(t, second.ln, direct); got != want {
		t.Errorf("from a second handle: %v, want %v", got, want)
	}
}

// direct accepts without package net.
func direct(ln net.Listener) (net.Conn, error) {
	a := newAcceptor(ln)
	defer a.close()
	return a.next(context.Background(), NewLimit(1))
}

// options are the values of TCP_NODELAY, SO_KEEPALIVE and the three times of probes, on a connection that is accepted.
func options(t *testing.T, ln net.Listener, accept func(net.Listener) (net.Conn, error)) (values [5]int) {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := accept(ln)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		for i, o := range [...][2]int{
			{syscall.IPPROTO_TCP, syscall.TCP_NODELAY}, {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE}, {syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
			{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
		} {
			if values[i], err = syscall.GetsockoptInt(int(fd), o[0], o[1]); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return values
}
