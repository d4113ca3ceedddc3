package passwords

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestParse(t *testing.T) {
	const good = "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
	fine := func(cost string) string { return "$2y$" + cost + good[6:] }
	for _, tt := range []struct{ name, text, want string }{
		{"one user", "ann:" + good, ""},
		{"line ends, comments and empty lines", "# users\r\n\r\nann:" + good + "\r\n\nbob:$2a$14" + good[6:] + "\n",
			""},
		{"nothing", "\n# nobody\n", "holds no user: write one with htpasswd -B FILE USER"},
		{"no colon", "ann:" + good + "\nbob", "line 2: want NAME:HASH, as htpasswd -B writes it"},
		{"no name", ":" + good, "line 1: want a name in front of the colon"},
		{"a long name", strings.Repeat("a", 256) + ":" + good, "line 1: want a name of at most 255 bytes"},
		{"a control byte", "a\tb:" + good, "line 1: the name has a control byte"},
		{"twice", "ann:" + good + "\nann:" + good, `line 2: user "ann" is there twice`},
		{"MD5", "ann:$apr1$x$y",
			`line 1: user "ann": the hash is Apache's MD5, want bcrypt: write the user anew with htpasswd -B`},
		{"SHA-1", "ann:{SHA}x",
			`line 1: user "ann": the hash is SHA-1, want bcrypt: write the user anew with htpasswd -B`},
		{"SHA-512", "ann:$6$x",
			`line 1: user "ann": the hash is SHA-512 of crypt, want bcrypt: write the user anew with htpasswd -B`},
		{"plain text", "ann:secret",
			`line 1: user "ann": the hash is none of bcrypt: write the user anew with htpasswd -B`},
		{"no hash", "ann:", `line 1: user "ann": the hash is none of bcrypt: write the user anew with htpasswd -B`},
		{"cut off", "ann:" + good[:59],
			`line 1: user "ann": the hash is cut off or has something behind it: write the user anew with htpasswd -B`},
		{"more behind it", "ann:" + good + ":x",
			`line 1: user "ann": the hash is cut off or has something behind it: write the user anew with htpasswd -B`},
		{"another alphabet", "ann:" + good[:59] + "=",
			`line 1: user "ann": the hash is cut off or has something behind it: write the user anew with htpasswd -B`},
		{"too dear", "ann:" + fine("15"),
			`line 1: user "ann": the cost of the hash is 15, want 4 to 14: write the user anew with htpasswd -B -C 10`},
		{"too cheap", "ann:" + fine("03"),
			`line 1: user "ann": the cost of the hash is 3, want 4 to 14: write the user anew with htpasswd -B -C 10`},
	} {
		_, err := parse([]byte(tt.text))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Whatever a file has, no error shows a hash, and what is read bcrypt can use.
func FuzzParse(f *testing.F) {
	h, err := bcrypt.GenerateFromPassword([]byte("x"), bcrypt.MinCost)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		"ann:" + string(h), "#\r\nann:" + string(h) + "\nbob:$2a$04$", "ann:$apr1$x$y", ":", "a:{SHA}b",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		u, err := parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		for _, one := range u.all {
			if cost, err := bcrypt.Cost(one.hash); err != nil || cost > maxCost {
				t.Errorf("%q is read, and bcrypt says %d, %v", one.hash, cost, err)
			}
			if cost, _ := bcrypt.Cost(one.hash); cost == bcrypt.MinCost {
				if err := bcrypt.CompareHashAndPassword(one.hash, []byte("x")); err != nil &&
					!errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
					t.Errorf("%q cannot be compared: %v", one.hash, err)
				}
			}
		}
	})
}
