package netio

import (
	"errors"
	"net"
	"syscall"
)

// Exhausted tells whether a connection could not be made because this process or its host has run out of something it
// takes. That may be descriptors, local ports or memory. That is nobody else's fault.
func Exhausted(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.Is(err, syscall.EADDRNOTAVAIL) && toIPv4(err)
}

// toIPv4 tells whether err is of a connection to an IPv4 address. On the way to an IPv6 one EADDRNOTAVAIL says nothing
// of ports. Where IPv6 is off, connecting to ::1 gives it too, and another endpoint may well be reached.
func toIPv4(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return false
	}
	to, ok := op.Addr.(*net.TCPAddr)
	return ok && to.IP.To4() != nil
}
