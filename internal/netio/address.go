package netio

import (
	"net"
	"net/netip"
)

// AddrPort is the TCP address a of a client, or where it has connected to. An IPv4 one is never in its IPv6 form, and
// none has a zone (RFC 4007), which means something on this host only. It is not valid if a is of another kind.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// Peer is the TCP address of the peer of nc, in the form of [AddrPort].
func Peer(nc net.Conn) netip.AddrPort {
	if s, ok := nc.(interface{ peer() netip.AddrPort }); ok {
		return s.peer()
	}
	return AddrPort(nc.RemoteAddr())
}

// Within tells whether addr is in one of the networks, in whichever form and whichever zone it is written. A prefix
// has none, so that with its zone no address would be in it.
func Within(networks []netip.Prefix, addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range networks {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}
