package netio

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestExhausted(t *testing.T) {
	dialed := func(ip string, e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 80},
			Err: os.NewSyscallError("connect", e)}
	}
	for _, row := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", nil, false},
		{"no descriptors", dialed("192.0.2.1", syscall.EMFILE), true},
		{"no descriptors, to IPv6", dialed("2001:db8::1", syscall.EMFILE), true},
		{"no descriptors, to nobody yet", os.NewSyscallError("socket", syscall.ENFILE), true},
		{"no memory", dialed("192.0.2.1", syscall.ENOMEM), true},
		{"no ports", dialed("192.0.2.1", syscall.EADDRNOTAVAIL), true},
		{"no ports, told on", fmt.Errorf("connect: %w", dialed("192.0.2.1", syscall.EADDRNOTAVAIL)), true},
		{"no IPv6", dialed("::1", syscall.EADDRNOTAVAIL), false},
		{"no address", os.NewSyscallError("connect", syscall.EADDRNOTAVAIL), false},
		{"nobody listens", dialed("192.0.2.1", syscall.ECONNREFUSED), false},
		{"too late", context.DeadlineExceeded, false},
	} {
		if got := Exhausted(row.err); got != row.want {
			t.Errorf("%s: Exhausted(%v) = %v, want %v", row.name, row.err, got, row.want)
		}
	}
}
