package proxy

import (
	"net/netip"
	"testing"
)

// A zone says by which interface a peer came, not who it is: the networks of trusted_proxies have none.
func TestTrustedProxyWithZone(t *testing.T) {
	s := &Server{trusted: []netip.Prefix{netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("10.0.0.0/8")}}
	for addr, want := range map[string]bool{
		"fe80::1%eth0": true, "fe80::1": true, "10.1.2.3": true, "2001:db8::1%eth0": false, "11.0.0.1": false,
	} {
		var c client
		if s.name(&c, netip.MustParseAddr(addr)); c.trusted != want || c.ip != addr {
			t.Errorf("a client at %s: named %s, trusted %v; want %v", addr, c.ip, c.trusted, want)
		}
	}
}
