package passwords

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestCredentials(t *testing.T) {
	code := base64.StdEncoding.EncodeToString
	for _, tt := range []struct{ field, name, password string }{
		{"Basic " + code([]byte("ann:secret")), "ann", "secret"},
		{"BASIC   " + code([]byte("ann:a:b ")), "ann", "a:b "},
		{"basic " + code([]byte("ann:")), "ann", ""},
		{"Basic " + code([]byte("ann:"+strings.Repeat("x", 72))), "ann", strings.Repeat("x", 72)},
		{"Basic " + code([]byte("ann:"+strings.Repeat("x", 73))), "", ""},
		{"Basic " + code([]byte("ann")), "", ""},
		{"Basic " + code([]byte(":secret")), "", ""},
		{"Basic " + code([]byte("ann:a\x00b")), "", ""},
		{"Basic " + code([]byte("ann:a\nb")), "", ""},
		{"Basic " + code([]byte(strings.Repeat("a", 256)+":x")), "", ""},
		{"Basic YW5uOg=", "", ""},  // padding that is cut off
		{"Basic YW5uOh==", "", ""}, // bits that no one has set
		{"Basic YW5u Og==", "", ""},
		{"Basic", "", ""},
		{"Basic ", "", ""},
		{"Bearer YW5uOg==", "", ""},
		{"BasicYW5uOg==", "", ""},
		{"", "", ""},
	} {
		name, password, _, ok := Credentials([]byte(tt.field), nil)
		if ok != (tt.name != "") || string(name) != tt.name || string(password) != tt.password {
			t.Errorf("%q: %q %q %v, want %q %q", tt.field, name, password, ok, tt.name, tt.password)
		}
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add([]byte("Basic YW5uOnNlY3JldA=="))
	f.Fuzz(func(t *testing.T, field []byte) {
		name, password, _, ok := Credentials(field, make([]byte, 0, 16))
		if !ok {
			return
		}
		again := "Basic " + base64.StdEncoding.EncodeToString([]byte(string(name)+":"+string(password)))
		n, p, _, ok := Credentials([]byte(again), nil)
		if !ok || string(n) != string(name) || string(p) != string(password) {
			t.Errorf("%q is %q %q, and written anew %q %q %v", field, name, password, n, p, ok)
		}
	})
}
