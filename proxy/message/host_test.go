package message

import (
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	good := []string{
		"a", "localhost", "www.Example.com", "example.com.", "xn--bcher-kva.example", "a_b.example", "1.2.3.4",
		"1.2.3.4:80", "a:0", "a:65535",
		"a:", "[::1]", "[::1]:8080", "[2001:DB8::1]", "[::ffff:1.2.3.4]:1", "a%41b", "!$&'()*+;=", "-", "~",
		strings.Repeat("a", 255) + ":65535",
	}
	bad := []string{
		"", ":", ":80", " ", "a b", "a\t", "a/b", "a?b", "a#b", "a@b", "user:pw@a", "a,b", "a:b", "a:80a", "a:-1",
		"a:+1", "a:123456", "a:80:80",
		"::1", "[]", "[:]", "[::1", "::1]", "[::1]x", "[::1]80", "[::g]", "[::1%25eth0]", "[v1.x]", "[[::1]]", "a[::1]",
		"a\"b", "a<b", "a\\b", "a\x00", "a\x7f",
		"b\xc3\xbccher", strings.Repeat("a", 262),
	}
	for _, h := range good {
		if !ValidHost([]byte(h)) {
			t.Errorf("ValidHost(%q) = false", h)
		}
	}
	for _, h := range bad {
		if ValidHost([]byte(h)) {
			t.Errorf("ValidHost(%q) = true", h)
		}
	}
}

// TestSettleAuthority: one rule, whichever version the request came in.
func TestSettleAuthority(t *testing.T) {
	const none = "-"
	for _, row := range []struct {
		name      string
		version   Version
		method    string
		authority string // named by the target or :authority
		hosts     []string
		problem   AuthorityProblem
		want      string // the authority afterwards
	}{
		{"host alone", HTTP11, "GET", none, []string{"a"}, AuthorityValid, "a"},
		{"host alone", HTTP2, "GET", none, []string{"a:80"}, AuthorityValid, "a:80"},
		{"neither", HTTP11, "GET", none, nil, AuthorityValid, none},
		{"neither", HTTP2, "GET", none, nil, AuthorityValid, none},
		{"authority alone", HTTP11, "GET", "a", nil, AuthorityValid, "a"},
		{"authority alone", HTTP2, "GET", "a", nil, AuthorityValid, "a"},
		{"both agree", HTTP11, "GET", "a", []string{"A"}, AuthorityValid, "a"},
		{"both agree", HTTP2, "GET", "a", []string{"A"}, AuthorityValid, "a"},
		{"they differ", HTTP11, "GET", "a", []string{"b"}, HostDiffers, "a"},
		{"they differ", HTTP2, "GET", "a", []string{"b"}, HostDiffers, "a"},
		{"they differ in the port", HTTP11, "GET", "a:80", []string{"a"}, HostDiffers, "a:80"},
		{"they differ in the port", HTTP2, "GET", "a", []string{"a:80"}, HostDiffers, "a"},
		{"empty authority and a host", HTTP2, "GET", "", []string{"a"}, HostDiffers, ""},
		{"host twice", HTTP11, "GET", none, []string{"a", "a"}, HostRepeated, none},
		{"host twice", HTTP2, "GET", "a", []string{"a", "a"}, HostRepeated, "a"},
		{"host that is none", HTTP11, "GET", none, []string{"a/b"}, HostMalformed, none},
		{"host that is none", HTTP2, "GET", none, []string{"a@b"}, HostMalformed, none},
		{"empty host", HTTP11, "GET", none, []string{""}, HostMalformed, none},
		{"empty host", HTTP2, "GET", "a", []string{""}, HostMalformed, "a"},
		{"authority that is none", HTTP11, "GET", "a b", nil, AuthorityMalformed, "a b"},
		{"authority that is none", HTTP2, "GET", "u@a", nil, AuthorityMalformed, "u@a"},
		{"CONNECT that differs", HTTP11, "CONNECT", "a:443", []string{"a"}, AuthorityValid, "a:443"},
		{"CONNECT that differs", HTTP2, "CONNECT", "a:443", []string{"a"}, HostDiffers, "a:443"},
		{"CONNECT with a host that is none", HTTP11, "CONNECT", "a:443", []string{"a/b"}, HostMalformed, "a:443"},
	} {
		h := Head{Version: row.version, Method: []byte(row.method)}
		if row.authority != none {
			h.Authority = []byte(row.authority)
		}
		for _, host := range row.hosts {
			h.Append([]byte("host"), []byte(host))
		}
		problem := h.ReconcileAuthority()
		got := string(h.Authority)
		if h.Authority == nil {
			got = none
		}
		if problem != row.problem || got != row.want {
			t.Errorf("%v, %s: problem %d, authority %q; want %d, %q", row.version, row.name, problem, got, row.problem,
				row.want)
		}
	}
}
