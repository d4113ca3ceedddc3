package identity

import (
	"crypto/x509"
	"net"
	"net/url"
	"slices"
	"testing"
)

func mustURL(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestNames(t *testing.T) {
	got := Names(&x509.Certificate{
		URIs: []*url.URL{
			mustURL(t, "spiffe://TD.consul/ns/Default/svc/web"), mustURL(t, "urn:A:b"), {Path: "a b"},
		},
		DNSNames:       []string{"Web.Example.org", "spiffe://td/ns/default/svc/web", "a b", ""},
		EmailAddresses: []string{"Ann@Example.org"},
		IPAddresses:    []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:DB8::1"), {1, 2, 3}},
	})
	want := []Name{
		{URI, "spiffe://td.consul/ns/Default/svc/web"}, {URI, "urn:A:b"}, {URI, "a%20b"},
		{DNS, "web.example.org"}, {DNS, "spiffe://td/ns/default/svc/web"}, {Email, "Ann@example.org"},
		{IP, "192.0.2.1"}, {IP, "2001:db8::1"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("names are %v, want %v", got, want)
	}
}

func TestPatterns(t *testing.T) {
	const web = "spiffe://td/ns/default/dc/dc1/svc/web"
	for _, tt := range []struct {
		pattern string
		name    Name
		want    bool
	}{
		{web, Name{URI, web}, true},
		{"SPIFFE://TD/ns/default/dc/dc1/svc/web", Name{URI, web}, true},
		{"spiffe://td/ns/default/dc/dc1/svc/Web", Name{URI, web}, false},
		{web, Name{DNS, web}, false}, // an authority may check DNS names less
		{web, Name{URI, web + "/x"}, false},
		{web + "/x", Name{URI, web}, false},
		{"spiffe://td/ns/default/dc/*/svc/web", Name{URI, web}, true},
		{"spiffe://td/ns/*/dc/*/svc/*", Name{URI, web}, true},
		{"spiffe://td/*/*/*/*/*/*", Name{URI, web}, true},
		{"spiffe://td/ns/*/svc/web", Name{URI, web}, false}, // no star takes in a slash
		{"spiffe://td/*", Name{URI, web}, false},
		{"spiffe://td/ns/default/dc/*/svc/web", Name{URI, "spiffe://td/ns/default/dc//svc/web"}, false},
		{"spiffe://td/ns/default/dc/*/svc/web", Name{URI, "spiffe://td/ns/default/dc/x?/svc/web"}, false},
		{"spiffe://td/ns/default/dc/*/svc/web", Name{URI, "spiffe://td/ns/default/dc/*/svc/web"}, true},
		{"spiffe://td/ns/default/dc/*/svc/web", Name{URI, "spiffe://td/ns/default/dc/dc1/svc/webs"}, false},
		{"spiffe://td/ns/default/dc/*", Name{URI, "spiffe://td/ns/default/dc/"}, false},
		{"spiffe://td/ns/default/dc/*", Name{URI, "spiffe://td/ns/default/dc/x#y"}, false},
		{"spiffe://td/ns/default/dc/*", Name{URI, "spiffe://td/ns"}, false},
		{"https://example.org/a/*?b=c", Name{URI, "https://example.org/a/b?b=c"}, true},
		{"https://example.org/a/*?b/*", Name{URI, "https://example.org/a/b?b/*"}, false}, // no pattern at all
		{"https://example.org/a/*?b=*", Name{URI, "https://example.org/a/b?b=c"}, false},
		{"Web.Example.org", Name{DNS, "web.example.org"}, true},
		{"web.example.org", Name{Email, "web.example.org"}, false},
		{"Ann@Example.org", Name{Email, "Ann@example.org"}, true},
		{"ann@example.org", Name{Email, "Ann@example.org"}, false},
		{"2001:DB8:0::1", Name{IP, "2001:db8::1"}, true},
		{"::ffff:192.0.2.1", Name{IP, "192.0.2.1"}, true},
		{"192.0.2.1", Name{DNS, "192.0.2.1"}, false},
	} {
		p, err := Parse(tt.pattern)
		if err != nil {
			if tt.want {
				t.Errorf("Parse(%q): %v", tt.pattern, err)
			}
			continue
		}
		if got := p.Fits(tt.name); got != tt.want {
			t.Errorf("%q fits %v: %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
		if n := testing.AllocsPerRun(10, func() { p.Fits(tt.name) }); n > 0 {
			t.Errorf("%q allocates %v times", tt.pattern, n)
		}
	}
	if (Pattern{}).Fits(Name{URI, ""}) {
		t.Error("the zero pattern fits a name")
	}
}

// What is read is read again as the same, and without stars it fits itself only.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"spiffe://td/ns/default/dc/*/svc/web", "a.b", "a@b.c", "::1", "urn:x", "HTTPS://A/b/*?c#d", "a:%zz",
	} {
		f.Add(s, "spiffe://td/ns/default/dc/dc1/svc/web")
	}
	f.Fuzz(func(t *testing.T, s, name string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil || again != p {
			t.Fatalf("%q is read as %+v, and that as %+v, %v", s, p, again, err)
		}
		fits := p.Fits(Name{p.Name.Kind, name})
		if !p.Stars && fits != (name == p.Name.Text) {
			t.Fatalf("%q fits %q: %v", s, name, fits)
		}
	})
}
