package netio

import (
	"net"
	"syscall"
)

// How keep-alive probes go: package net's defaults, in seconds.
const (
	keepAliveIdle     = 15
	keepAliveInterval = 15
	keepAliveCount    = 9
)

// listenConfig makes listening sockets with the options that package net gives connections. Linux hands them on to what
// is accepted: set on each connection, they cost five calls. control is called first. It may be nil.
func listenConfig(control func(syscall.RawConn) error) *net.ListenConfig {
	lc := &net.ListenConfig{
		KeepAlive: -1, // not by package net
		Control: func(_, _ string, raw syscall.RawConn) error {
			if control != nil {
				if err := control(raw); err != nil {
					return err
				}
			}
			return raw.Control(setOptions)
		},
	}
	lc.SetMultipathTCP(false) // whose sockets do not hand everything on
	return lc
}

// setOptions sends small messages at once, and probes. It does without what the system does not have, as package net
// does.
func setOptions(fd uintptr) {
	for _, o := range [...][3]int{
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveIdle},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveInterval},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepAliveCount},
	} {
		_ = syscall.SetsockoptInt(int(fd), o[0], o[1], o[2])
	}
}
