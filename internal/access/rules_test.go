package access

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/identity"
)

func networks(list ...string) (all []netip.Prefix) {
	for _, s := range list {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}

func patterns(t *testing.T, list ...string) (all []identity.Pattern) {
	t.Helper()
	for _, s := range list {
		p, err := identity.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestSource(t *testing.T) {
	both := New(config.Access{Sources: networks("10.0.0.0/8", "fd00::/8")},
		config.Access{Sources: networks("10.9.0.0/16")})
	allow := New(config.Access{Sources: networks("0.0.0.0/0")}, config.Access{})
	deny := New(config.Access{}, config.Access{Sources: networks("10.9.0.0/16")})
	for _, tt := range []struct {
		name  string
		rules *Rules
		addr  string
		want  Refusal
	}{
		{"nobody is asked", nil, "", None},
		{"allowed", both, "10.1.1.1", None},
		{"allowed, written as IPv6", both, "::ffff:10.1.1.1", None},
		{"allowed, with a zone", both, "fd00::1%eth0", None},
		{"denied of those allowed", both, "10.9.1.1", SourceDenied},
		{"denied, written as IPv6", both, "::ffff:10.9.1.1", SourceDenied},
		{"not named", both, "192.0.2.1", SourceNotAllowed},
		{"not known", both, "", SourceDenied},
		{"not known, with allow alone", allow, "", SourceNotAllowed},
		{"another family", allow, "::1", SourceNotAllowed},
		{"not denied", deny, "192.0.2.1", None},
		{"not known, with deny alone", deny, "", SourceDenied},
	} {
		addr := netip.Addr{}
		if tt.addr != "" {
			addr = netip.MustParseAddr(tt.addr)
		}
		if got := tt.rules.Source(addr); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	rules := New(config.Access{Identities: patterns(t, "spiffe://td/*", "a.example")},
		config.Access{Identities: patterns(t, "spiffe://td/bad")})
	deny := New(config.Access{}, config.Access{Identities: patterns(t, "spiffe://td/bad")})
	name := func(uri string) identity.Name { return identity.Name{Kind: identity.URI, Text: uri} }
	for _, tt := range []struct {
		name  string
		rules *Rules
		names []identity.Name
		want  Refusal
	}{
		{"nobody is asked", nil, nil, None},
		{"allowed", rules, []identity.Name{name("spiffe://td/web")}, None},
		{"allowed by its second name", rules, []identity.Name{name("x:y"), name("spiffe://td/web")}, None},
		{"denied by its second name", rules, []identity.Name{name("spiffe://td/web"), name("spiffe://td/bad")},
			IdentityDenied},
		{"not named", rules, []identity.Name{name("spiffe://other/web")}, IdentityNotAllowed},
		{"without a certificate", rules, nil, NoIdentity},
		{"without a certificate, with deny alone", deny, nil, None},
		{"not denied", deny, []identity.Name{name("spiffe://td/web")}, None},
	} {
		if got := tt.rules.Identity(tt.names); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if New(config.Access{}, config.Access{}) != nil {
		t.Error("rules without any are not nil")
	}
	for why := None + 1; why < Count; why++ {
		if why.Error() == "" {
			t.Errorf("refusal %d has no text", why)
		}
	}
}

// BenchmarkRules is what the longest lists cost a client that is in none of them.
func BenchmarkRules(b *testing.B) {
	var all config.Access
	for i := range 1000 {
		all.Sources = append(all.Sources, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24))
		p, err := identity.Parse(fmt.Sprintf("spiffe://td/ns/default/dc/*/svc/web%d", i))
		if err != nil {
			b.Fatal(err)
		}
		all.Identities = append(all.Identities, p)
	}
	r := New(config.Access{}, all)
	addr := netip.MustParseAddr("192.0.2.1")
	names := []identity.Name{{Kind: identity.URI, Text: "spiffe://td/ns/default/dc/dc1/svc/api"}}
	b.Run("1000 networks", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Source(addr)
		}
	})
	b.Run("1000 names", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Identity(names)
		}
	})
}
