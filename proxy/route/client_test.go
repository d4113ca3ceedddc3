package route

import (
	"net/netip"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, s := range texts {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}

// A zone means something on this host only: it neither decides about trust nor leaves the host.
func TestSetAddress(t *testing.T) {
	trusted := prefixes("fe80::/10", "10.0.0.0/8")
	for _, tt := range []struct {
		addr, ip string
		trusted  bool
	}{
		{"fe80::1%eth0", "fe80::1", true}, {"fe80::1", "fe80::1", true}, {"fd00::1%eth0", "fd00::1", false},
		{"10.1.2.3", "10.1.2.3", true}, {"::ffff:10.1.2.3", "10.1.2.3", true}, {"11.1.2.3", "11.1.2.3", false},
	} {
		var c Client
		if c.SetAddress(netip.MustParseAddr(tt.addr), trusted); c.IP != tt.ip || c.Trusted != tt.trusted {
			t.Errorf("%s: IP %q, trusted %v, want %q, %v", tt.addr, c.IP, c.Trusted, tt.ip, tt.trusted)
		}
	}
}

func TestRemoteIP(t *testing.T) {
	trusted := prefixes("10.0.0.0/8", "fe80::/10")
	for _, tt := range []struct {
		name   string
		fields []string
		want   string // empty: the peer's own
	}{
		{"none", nil, ""},
		{"one", []string{"203.0.113.9"}, "203.0.113.9"},
		{"the right-most that is not trusted", []string{"1.1.1.1, 203.0.113.9, 10.0.0.7"}, "203.0.113.9"},
		{"over several fields", []string{"203.0.113.9", "10.0.0.7, 10.0.0.8"}, "203.0.113.9"},
		{"all are trusted", []string{"10.0.0.6, 10.0.0.7"}, "10.0.0.6"},
		{"with a port", []string{"203.0.113.9:4711"}, "203.0.113.9"},
		{"a trusted one with a port", []string{"203.0.113.9:4711, 10.0.0.7:80"}, "203.0.113.9"},
		{"IPv6 with a port", []string{"[2001:db8::1]:4711"}, "2001:db8::1"},
		{"IPv6 in brackets", []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6", []string{"2001:db8::1"}, "2001:db8::1"},
		{"IPv4 written as IPv6", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"a trusted IPv4 written as IPv6", []string{"203.0.113.9, ::ffff:10.0.0.7"}, "203.0.113.9"},
		{"a zone", []string{"203.0.113.9, fe80::1%eth0"}, "203.0.113.9"},
		{"empty elements", []string{"203.0.113.9, , 10.0.0.7,", ",", ""}, "203.0.113.9"},
		{"garbage on the left", []string{"unknown, 203.0.113.9"}, "203.0.113.9"},
		{"garbage behind a trusted one", []string{"203.0.113.9, unknown, 10.0.0.7"}, "10.0.0.7"},
		{"garbage on the right", []string{"203.0.113.9, unknown"}, ""},
		{"a port that is none", []string{"203.0.113.9:http"}, ""},
		{"an empty port", []string{"203.0.113.9:"}, ""},
		{"a port that is too long", []string{"203.0.113.9:123456"}, ""},
		{"brackets that do not end", []string{"[2001:db8::1"}, ""},
		{"more behind the brackets", []string{"[2001:db8::1]x"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h message.Head
			for _, f := range tt.fields {
				h.Append([]byte("x-forwarded-for"), []byte(f))
			}
			got := remoteIP(&h, &Client{IP: "10.0.0.1", Trusted: true}, trusted)
			if text := got.String(); got.IsValid() != (tt.want != "") || got.IsValid() && text != tt.want {
				t.Errorf("%q: %s, want %s", tt.fields, text, tt.want)
			}
			if got := remoteIP(&h, &Client{IP: "1.2.3.4"}, trusted); got.IsValid() {
				t.Errorf("%q from a peer that is not trusted: %s", tt.fields, got)
			}
		})
	}
}

func TestRemoteIPDoesNotAllocate(t *testing.T) {
	trusted := prefixes("10.0.0.0/8")
	var h message.Head
	h.Append([]byte("x-forwarded-for"),
		[]byte("[2001:db8::1%25eth0]:1, fe80::1%eth0, 203.0.113.9:4711, ::ffff:10.0.0.7"))
	c := &Client{IP: "10.0.0.1", Trusted: true}
	if n := testing.AllocsPerRun(100, func() { remoteIP(&h, c, trusted) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestIsClaim(t *testing.T) {
	for name, want := range map[string]bool{
		"Forwarded": true, "forwarded": true, "X-Real-IP": true, "x-real-ip": true, "X-Forwarded-Port": true,
		"X-FORWARDED-SERVER": true, "x-forwarded-x": true, "x-forwarded-": false, "X-Forwarded": false,
		"Forwarded-For": false, "X_Real_IP": true, "x-real_ip": true, "X_Forwarded_For": true, "x_forwarded-x": true,
		"X_FORWARDED_CLIENT_CERT": true, "x_request_id": false, "x.forwarded.for": false,
		"X-Real-IPs": false, "Via": false, "X-Request-Id": false, "": false,
	} {
		if got := IsClaim([]byte(name)); got != want {
			t.Errorf("IsClaim(%q) = %v, want %v", name, got, want)
		}
	}
}

// Only a proxy that is trusted may say who the client is and how it came.
func TestMarkClaims(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		var h message.Head
		for _, name := range []string{"forwarded", "x-real-ip", "x-forwarded-port", "accept", "x_real_ip",
			"X_Forwarded_Client_Cert", "x-forwarded_for"} { // the last three are no trusted proxy's
			h.Append([]byte(name), []byte("1"))
		}
		markClaims(&h, &Client{Trusted: trusted})
		kept := 0
		for i := range h.Fields {
			if !h.Fields[i].Hop {
				kept++
			}
		}
		if want := map[bool]int{false: 1, true: 4}[trusted]; kept != want {
			t.Errorf("trusted %v: %d fields pass, want %d", trusted, kept, want)
		}
	}
}
