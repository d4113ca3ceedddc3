package config

import (
	"fmt"
	"strings"
	"testing"
)

// A pattern fits whole texts, however it is written.
func TestCompileWhole(t *testing.T) {
	for _, row := range []struct {
		pattern    string
		ignoreCase bool
		fits, not  string
	}{
		{"/u/[0-9]+", false, "/u/7", "/u/7/"},
		{"a|b", false, "b", "bc"},
		{"^a$", false, "a", "a\n"},
		{"(?m)^a$", false, "a", "a\nb"},
		{`\Qa.b`, false, "a.b", "a.b)"},
		{`\Q.`, false, ".", "a"},
		{"a[b-c]", true, "AC", "AD"},
		{"(?-i)a|b", true, "a", "A"},
		{"", false, "", "a"},
		{"a # b", false, "a # b", "a"},
	} {
		re, err := CompileWhole(row.pattern, row.ignoreCase)
		if err != nil {
			t.Errorf("%q: %v", row.pattern, err)
			continue
		}
		if !re.MatchString(row.fits) || re.MatchString(row.not) {
			t.Errorf("%q: fits %q %v, want true; fits %q %v, want false", row.pattern, row.fits,
				re.MatchString(row.fits), row.not, re.MatchString(row.not))
		}
	}
}

// What a document takes can be compiled: the table is built without asking again.
func FuzzCompileWhole(f *testing.F) {
	for _, seed := range []string{`\Qa`, "a|b", "(?i)[^a]{3,}", "((((a)*)*)*)*", "[[:alpha:]]", `\x{10FFFF}`,
		"(?s-m:.$)"} {
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, pattern string, ignoreCase bool) {
		d := newDecoder(nil, Base{})
		checkRegex(d, nil, &pattern)
		if d.total > 0 {
			return
		}
		if _, err := CompileWhole(pattern, ignoreCase); err != nil {
			t.Errorf("%q is taken, but: %v", pattern, err)
		}
	})
}

// The patterns of a document are bounded in number and in all they cost.
func TestTooManyPatterns(t *testing.T) {
	for name, pattern := range map[string]string{"many": "a", "large": "a{1000}b{900}"} {
		var b strings.Builder
		b.WriteString("clusters: [{name: a, endpoints: ['a:1']}]\nroutes:\n- {cluster: a, name: r, match: {query: {")
		for i := range maxRegexes + 1 {
			fmt.Fprintf(&b, "p%d: {regex: '%s'},", i, pattern)
		}
		b.WriteString("}}}\n")
		_, err := Decode([]byte(b.String()), Base{})
		if want := "want at most 1000 patterns in a document, and at most 100000 steps in all of them"; err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %.300v, want %s", name, err, want)
		}
	}
}
