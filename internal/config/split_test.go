package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// parseWhole gives the root of a text's tree; nil: it is no document.
func parseWhole(text []byte) *yaml.Node {
	var doc, second yaml.Node
	loader := newLoader(newBoundedText(text))
	if loader.Load(&doc) != nil || !errors.Is(loader.Load(&second), io.EOF) {
		return nil
	}
	return doc.Content[0]
}

// sameTree tells whether two trees are the same, places included. Comments are not read.
func sameTree(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || a.Tag != b.Tag || a.Value != b.Value || a.Style != b.Style || a.Anchor != b.Anchor ||
		a.Line != b.Line || a.Column != b.Column || len(a.Content) != len(b.Content) {
		return false
	}
	for i := range a.Content {
		if !sameTree(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

// Texts that can be cut, with how the lines look, and those that must not be.
func TestParseSplit(t *testing.T) {
	list := func(key, item string) string { return key + ":\n" + strings.Repeat(item, 8) }
	for _, row := range []struct {
		name, text string
		split      bool
	}{
		{"one list", list("routes", "  - name: a\n    b: {c: [d]}\n"), true},
		{"lists without an indent", list("clusters", "- {name: a}\n") + list("routes", "- name: b\n"), true},
		{"lists, and keys around them", "a: 1\n" + list("clusters", " - x: y\n") + "b: {c: d}\n" +
			list("routes", "    - z\n") + "c: e\n", true},
		{"comments and empty lines", list("routes", "# c\n\n  - a: b # d\n    # e\n"), true},
		{"lists in items", list("routes", "  - a:\n    - b\n    - c:\n      - d\n"), true},
		{"texts over lines", list("routes", "  - a: |\n      - x\n      routes:\n    b: \"c\n      d\"\n"), true},
		{"carriage returns", strings.ReplaceAll(list("routes", "  - a: b\n"), "\n", "\r\n"), true},
		{"items within quotes", "routes:\n  - a\n  - \"" + strings.Repeat("b\n  - c\n", 8) + "\"\n", false},
		{"a key within quotes", "a: \"\n" + list("routes", "  - a\n") + "\"\n", false},
		{"items within brackets", "routes:\n  - a\n  - {\n" + strings.Repeat("  - b: c,\n", 8) + "  }\n", false},
		{"two documents", list("routes", "  - a\n") + "---\n" + list("routes", "  - a\n"), false},
		{"an alias", "routes:\n  - &a b\n" + strings.Repeat("  - c\n", 8) + "  - *a\n", false},
		{"wrong", list("routes", "  - a: b: c\n"), false},
		{"items of other kinds", "routes:\n  - a\n" + strings.Repeat("  -\tb\n  - c\n", 8), false},
		{"other ends of lines", list("routes", "  - a: \"b\u2028\"\n"), false},
		{"JSON", `{"routes": [` + strings.Repeat("\n  {},", 8) + "\n{}]}\n", false},
		{"no list", "a: b\nc:\n  d: e\n  f: g\n", false},
		{"nothing", "", false},
	} {
		for pieces := 2; pieces <= mostPieces; pieces++ {
			got := parseSplit([]byte(row.text), pieces)
			if (got != nil) != row.split {
				t.Errorf("%s, in %d: parsed %v, want %v", row.name, pieces, got != nil, row.split)
			}
			if got != nil && !sameTree(got, parseWhole([]byte(row.text))) {
				t.Errorf("%s, in %d: another tree", row.name, pieces)
			}
		}
	}
	data := large()
	if pieces := split(data, mostPieces); len(pieces) != mostPieces {
		t.Errorf("a large document is cut into %d pieces, want %d", len(pieces), mostPieces)
	}
	if !sameTree(parseSplit(data, mostPieces), parseWhole(data)) {
		t.Error("a large document has another tree")
	}
}

// Texts of lines at random, many of which are within quotes, brackets or blocks.
func TestParseSplitOfRandomLines(t *testing.T) {
	lines := []string{
		"routes:", "clusters:", "- a", "  - a", "  - b: c", "    d: e", "    - f", "  g", "- \"h", "  i\"", "  - 'j",
		"    k'", "  - {l: m,", "    n: o}", "  - [p", "    q]", "  - |", "    r", "  - >", "   s", "# t", "", "---",
		"...", "u: v", "w: |", "x:", "  - y:", "  z: \"", "\"", "  - - a", "? b", ": c", "  - &d e", "  - *d", "- ",
		"  -",
	}
	random := rand.New(rand.NewPCG(1, 2))
	split, documents := 0, 0
	for range 5_000 {
		text := []byte("routes:\n  - a\n")
		for range 2 + random.IntN(12) {
			line := lines[random.IntN(len(lines))]
			if random.IntN(2) == 0 {
				line = "  - a: b" // so that there is something to cut
			}
			text = append(append(text, line...), '\n')
		}
		want := parseWhole(text)
		if want != nil {
			documents++
		}
		for pieces := 2; pieces <= 3; pieces++ {
			got := parseSplit(text, pieces)
			if got == nil {
				continue
			}
			split++
			if want == nil || !sameTree(got, want) {
				t.Fatalf("in %d pieces another tree than the whole (which is a document: %v):\n%s", pieces, want != nil,
					text)
			}
		}
	}
	if split < 250 {
		t.Errorf("%d were split, of %d documents", split, documents)
	}
}

// What was kept is decoded as ever, and so is what is wrong with it.
func TestDecodeKnown(t *testing.T) {
	for _, text := range [][]byte{large(), append(large(), "  - {name: route-7, cluster: nobody, wrong: 1}\n"...)} {
		want, wantErr := Decode(text, bootstrap())
		// With more processors than this machine may have.
		d, _, err := decodeParts([]Part{{Data: text}}, bootstrap(), mostPieces, nil)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(d.doc.canonical(), want.canonical()) {
			t.Error("another document")
		}
	}
	known, err := DecodeKnown([]Part{{Data: large()}}, bootstrap(), "kept", nil)
	if err != nil || known.Revision != "kept" {
		t.Errorf("%v, %v", known, err)
	}
}

// Whatever a text is, in pieces it gives the tree of the whole or none.
func FuzzParseSplit(f *testing.F) {
	addDocuments(f)
	f.Add([]byte("routes:\n- a: \"\n- b\n- c\"\n- d\n- |\n - e\n- [\n- f]\nclusters:\n  - g: h\n  - i\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if badByte(text) >= 0 {
			return
		}
		for pieces := 2; pieces <= mostPieces; pieces++ {
			got := parseSplit(text, pieces)
			if got == nil {
				continue
			}
			if want := parseWhole(text); want == nil || !sameTree(got, want) {
				t.Fatalf("in %d pieces another tree than the whole (which is a document: %v)", pieces, want != nil)
			}
		}
	})
}
