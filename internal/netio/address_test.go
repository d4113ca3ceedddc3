package netio_test

import (
	"net"
	"net/netip"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

func TestWithin(t *testing.T) {
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fe80::/10")}
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "fe80::1": true, "fe80::1%eth0": true, "11.0.0.1": false,
		"::1": false, "2001:db8::1%eth0": false,
	} {
		if got := netio.Within(networks, netip.MustParseAddr(addr)); got != want {
			t.Errorf("Within(%s) = %v", addr, got)
		}
	}
}

func TestAddrPort(t *testing.T) {
	for _, tt := range []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 80}, "10.1.2.3:80"},
		{&net.TCPAddr{IP: net.ParseIP("::ffff:10.1.2.3"), Port: 80}, "10.1.2.3:80"},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "eth0", Port: 80}, "[fe80::1]:80"},
		{&net.UnixAddr{Name: "x"}, "invalid AddrPort"},
	} {
		if got := netio.AddrPort(tt.addr).String(); got != tt.want {
			t.Errorf("AddrPort(%v) = %s, want %s", tt.addr, got, tt.want)
		}
	}
}
