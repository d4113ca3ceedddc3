package proxyproto

import (
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Append appends the header of a version (config.ProxyProtocolV1 or V2) that says who is connected to whom. Where that
// is not known, the header says so: it is never left out, since the endpoint waits for it.
func Append(dst []byte, version string, h Header) []byte {
	number := byte(2)
	if version == config.ProxyProtocolV1 {
		number = 1
	}
	out := &proxyproto.Header{Version: number, Command: proxyproto.LOCAL}
	if h.Source.IsValid() && h.Destination.IsValid() {
		out = proxyproto.HeaderProxyFromAddrs(number, tcpAddr(h.Source), tcpAddr(h.Destination))
	}
	raw, err := out.Format()
	if err != nil {
		panic("BUG: PROXY header: " + err.Error())
	}
	return append(dst, raw...)
}

func tcpAddr(p netip.AddrPort) *net.TCPAddr {
	addr := netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
	return net.TCPAddrFromAddrPort(addr)
}
