package message

import (
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	good := []string{
		"a", "localhost", "www.Example.com", "example.com.", "xn--bcher-kva.example", "a_b.example", "1.2.3.4", "1.2.3.4:80", "a:0", "a:65535",
		"a:", "[::1]", "[::1]:8080", "[2001:DB8::1]", "[::ffff:1.2.3.4]:1", "a%41b", "!$&'()*+;=", "-", "~", strings.Repeat("a", 255) + ":65535",
	}
	bad := []string{
		"", ":", ":80", " ", "a b", "a\t", "a/b", "a?b", "a#b", "a@b", "user:pw@a", "a,b", "a:b", "a:80a", "a:-1", "a:+1", "a:123456", "a:80:80",
		"::1", "[]", "[:]", "[::1", "::1]", "[::1]x", "[::1]80", "[::g]", "[::1%25eth0]", "[v1.x]", "[[::1]]", "a[::1]", "a\"b", "a<b", "a\\b", "a\x00", "a\x7f",
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
