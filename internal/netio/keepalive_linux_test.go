package netio

import (
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
	want := options(t, plain)
	if got := options(t, first.ln); got != want {
		t.Errorf("options of an accepted connection: %v, want %v", got, want)
	}
	second := first.Share()
	defer second.Close()
	first.Close()
	if got := options(t, second.ln); got != want {
		t.Errorf("from a second handle: %v, want %v", got, want)
	}
}

// options are the values of TCP_NODELAY, SO_KEEPALIVE and the three times of probes, on a connection that is accepted.
func options(t *testing.T, ln net.Listener) (values [5]int) {
	t.Helper()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
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
