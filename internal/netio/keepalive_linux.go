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

// listenConfig makes listening sockets with keep-alive probes, which Linux hands on to what is accepted from them: set
// on each connection, they cost four calls. control is called first. It may be nil.
func listenConfig(control func(syscall.RawConn) error) *net.ListenConfig {
	lc := &net.ListenConfig{
		KeepAlive: -1, // not by package net
		Control: func(_, _ string, raw syscall.RawConn) error {
			if control != nil {
				if err := control(raw); err != nil {
					return err
				}
			}
			return raw.Control(setKeepAlive)
		},
	}
	lc.SetMultipathTCP(false) // whose sockets do not hand everything on
	return lc
}

// setKeepAlive does without where the system has none, as package net does.
func setKeepAlive(fd uintptr) {
	for _, o := range [...][3]int{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, keepAliveIdle},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, keepAliveInterval},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, keepAliveCount},
	} {
		_ = syscall.SetsockoptInt(int(fd), o[0], o[1], o[2])
	}
}
