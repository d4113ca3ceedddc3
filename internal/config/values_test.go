package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestSameAddress(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{":8080", "0.0.0.0:8080", true},
		{":8080", "[::]:8080", true},
		{"0.0.0.0:8080", "[::]:8080", true},
		{":8080", ":8081", false},
		{":8080", "127.0.0.1:8080", false},
		{"127.0.0.1:1", "[::ffff:127.0.0.1]:1", true},
		{"[::1]:1", "[0:0:0:0:0:0:0:1]:1", true},
		{"[fe80::1%eth0]:1", "[fe80::1%eth1]:1", false},
		{"A.example:1", "a.EXAMPLE:1", true},
		{"localhost:1", "127.0.0.1:1", false},
	} {
		if got := SameAddress(row.a, row.b); got != row.want {
			t.Errorf("SameAddress(%q, %q) = %v, want %v", row.a, row.b, got, row.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, row := range []struct {
		in   string
		want int64 // -1 = refused
	}{
		{"0", 0}, {"65536", 65536}, {"512B", 512}, {"64KiB", 65536}, {"64KB", 64000}, {"64kB", 64000},
		{"64 KiB", 65536},
		{"10MiB", 10 << 20}, {"1GB", 1e9}, {"1GiB", 1 << 30}, {"1048576GiB", 1 << 50},
		{"1048577GiB", -1}, {"", -1}, {"KiB", -1}, {"-1", -1}, {"+1", -1}, {"01", -1}, {"1.5MiB", -1}, {"64kib", -1},
		{"64K", -1}, {"1 0", -1}, {"1  KiB", -1}, {"0x10", -1}, {"99999999999999999999", -1}, {"64KiBB", -1},
	} {
		got, err := ParseSize(row.in)
		if err != nil {
			got = -1
		}
		if got != row.want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", row.in, got, err, row.want)
		}
	}
}

func TestPrefixesAreNormalised(t *testing.T) {
	for _, row := range []struct{ in, want string }{
		{"/", "/"}, {"//", "/"}, {"/a/", "/a"}, {"/a//", "/a"}, {"/a/./b", "/a/b"}, {"/a/../b", "/b"}, {"/a/..", "/"},
		{"/a/.", "/a"}, {"/%61%7e", "/a~"}, {"/a%2Fb", "/a%2Fb"}, {"/a%2fb", "/a%2fb"}, {"//a", "//a"},
		{"/a//b", "/a//b"},
		{"/%2e/a", "/a"}, {"/a/%2e%2E/b", "/b"}, {"/%252e", "/%252e"}, {`/a\b`, `/a\b`}, {"/...", "/..."},
		{"/a//.", "/a"},
	} {
		got := decode(t, "clusters: [{name: a, endpoints: ['a:1']}]\nroutes: [{name: a, cluster: a, "+
			"match: {path_prefix: '"+row.in+"'}}]", Base{})
		if got := got.Routes[0].Match.PathPrefix; got != row.want {
			t.Errorf("prefix %q = %q, want %q", row.in, got, row.want)
		}
	}
}

func TestYAMLVersion(t *testing.T) {
	const text = "routes: []\nclusters: [{name: a, endpoints: ['a:1'"
	for _, head := range []string{"%YAML 1.2\n---\n", "# comment\n\n%YAML 1.2 # more\n---\n", "%YAML 1.1\n---\n",
		"\ufeff%YAML 1.2\n---\n", "%YAML 1.2\r\n---\r\n", "\ufeff# comment\r\n%YAML 1.2\r\n---\r\n"} {
		if _, err := Decode([]byte(head+text+"]}]\n"), Base{}); err != nil {
			t.Errorf("%q: %v", head, err)
		}
	}
	_, err := Decode([]byte("%YAML 1.2\n---\nroutes: 5\n"), Base{})
	if err == nil || !strings.HasPrefix(err.Error(), "3:9: routes: want a list") {
		t.Errorf("error %v, want one of line 3", err)
	}
}

func TestPrefixWithAStar(t *testing.T) {
	for in, want := range map[string]string{
		"/api/*":  "want a prefix without the *, which stands for itself: /api matches all below it",
		"/*":      "want a prefix without the *, which stands for itself: / matches all below it",
		"/api/**": "want a prefix without the *, which stands for itself: /api matches all below it",
		"/api*":   "want a prefix without the *, which stands for itself: /api matches all below it",
		"/a*b":    "", "/*/b": "", "/%2A": "",
	} {
		_, err := Decode([]byte("clusters: [{name: a, endpoints: ['a:1']}]\n"+
			"routes: [{name: a, cluster: a, match: {path_prefix: '"+in+"'}}]"), Base{})
		if got := fmt.Sprint(err); want == "" && err != nil || want != "" && !strings.Contains(got, want) {
			t.Errorf("prefix %s: %v, want %q", in, err, want)
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: `"0s"`, time.Second: `"1s"`, 90 * time.Second: `"1m30s"`, 5 * time.Minute: `"5m"`, time.Hour: `"1h"`,
		time.Hour + time.Second: `"1h0m1s"`, 10 * time.Hour: `"10h"`, 1500 * time.Microsecond: `"1.5ms"`,
		70 * time.Minute: `"1h10m"`,
	} {
		var e encoder
		if e.duration(d); string(e.out) != want {
			t.Errorf("%v is written %s, want %s", d, e.out, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"address", "name", "path_prefix", "upstream", "LISTEN", "READ_TIMEOUT", "TCP"}
	for _, row := range []struct{ in, want string }{
		{"addrss", "address"}, {"Address", "address"}, {"addr", "address"}, {"nane", "name"},
		{"path-prefix", "path_prefix"},
		{"upstrem", "upstream"}, {"x", ""}, {"", ""}, {"colour", ""},
		{"LISTNE", "LISTEN"}, {"LISTENER", "LISTEN"}, {"REED_TIMOUT", "READ_TIMEOUT"}, {"TPC", "TCP"}, {"X", ""},
		{"WHATEVER", ""},
		{strings.Repeat("name", 100), ""},
	} {
		if got := Nearest(row.in, known); got != row.want {
			t.Errorf("Nearest(%q) = %q, want %q", row.in, got, row.want)
		}
	}
}
