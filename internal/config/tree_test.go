package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// goodTexts are the documents of testdata that are right, in the order of their names.
func goodTexts(t testing.TB) (all [][]byte) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.good.*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// What is kept of a text is the tree that parsing it gives, but for the places.
func TestKeptTrees(t *testing.T) {
	for _, text := range append(goodTexts(t), large(), []byte("{routes: [{name: a,\n  respond: {status: 200}}]}")) {
		parts := []Part{{Data: text}}
		kept := keepTrees(parts)
		if kept == nil {
			t.Fatalf("no trees of\n%s", text)
		}
		read, err := ReadTrees(kept)
		if err != nil || len(read.roots) != 1 {
			t.Fatalf("%v, %v of\n%s", read, err, text)
		}
		want := newDecoder(parts, Standard()).parse(text)
		withoutPlaces(want)
		if !sameTree(read.roots[0], want) {
			t.Errorf("another tree of\n%s", text)
		}
		if !AreTrees(kept, parts) || AreTrees(kept, []Part{{Data: append(bytes.Clone(text), '\n')}}) ||
			AreTrees(kept, []Part{{Name: "a", Data: text}}) {
			t.Error("the trees do not know whose they are")
		}
	}
	if text := large(); len(keepTrees([]Part{{Data: text}})) > len(text)*2/3 {
		t.Error("the trees are as large as the text: what is the same is there again and again")
	}
	if KeepTrees([]Part{{Data: []byte("routes: 1\n")}}) != nil {
		t.Error("trees of a small document are kept")
	}
	if KeepTrees([]Part{{Data: append(large(), "a: b: c\n"...)}}) != nil {
		t.Error("trees of what is no document are kept")
	}
}

func withoutPlaces(n *yaml.Node) {
	n.Line, n.Column = 0, 0
	for _, c := range n.Content {
		withoutPlaces(c)
	}
}

// With trees a document is decoded as ever, and what is wrong with it is told as ever. Trees of another text are not
// looked at.
func TestDecodeKnownWithTrees(t *testing.T) {
	wrong := append(large(), "  - {name: route-7, cluster: nobody, wrong: 1}\n"...)
	for name, parts := range map[string][]Part{
		"good": {{Data: large()}}, "wrong": {{Data: wrong}},
		"in parts": {{"b", large()}, {"a", []byte("timeouts: {upstream: 7s}\n")}},
	} {
		want, wantErr := DecodeParts(parts, bootstrap())
		for of, kept := range map[string][]byte{
			"its": KeepTrees(parts), "another's": KeepTrees([]Part{{Data: append(large(), "limits: {}\n"...)}}),
		} {
			trees, err := ReadTrees(kept)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeKnown(parts, bootstrap(), "known", trees)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) {
				t.Fatalf("%s, with %s trees: %v, want %v", name, of, err, wantErr)
			}
			if err == nil && (got.Revision != "known" || !bytes.Equal(got.canonical(), want.canonical())) {
				t.Errorf("%s, with %s trees: another document", name, of)
			}
		}
	}
}

// Trees are read by the program that would have parsed the same ones. With another version of the library, or another
// way to parse, the head has to change.
func TestTreeHead(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	library := regexp.MustCompile(`(?m)^\s*(go\.yaml\.in/yaml/v4 \S+)`).FindSubmatch(mod)
	if library == nil || !strings.HasSuffix(treeHead, ", "+string(library[1])+"\n") ||
		bytes.Count(mod, []byte("go.yaml.in/yaml/v4")) != 1 {
		t.Errorf("treeHead is %q, and go.mod has %q", treeHead, library)
	}
	sum := sha256.New()
	for _, text := range [][]byte{
		[]byte("# c\n%YAML 1.2\n--- {a: [b, \"c\"], d: |\n  e\n}\n"), []byte("a:\n- b: 'c'\n  d: {e: [f, 1, null]}\n"),
		[]byte("%YAML 1.2\n---\na: >\n  b\n  c\n? d\n: e\n"), []byte("{\"a\": [1, 2.5, true], 'b': {c: d}}\n"),
	} {
		sum.Write(keepTrees([]Part{{Data: text}}))
	}
	const want = "4d7d5d5f4776edf83622609408e6296cae940381caaa4257ec97bf3e69dd9e30"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("kept trees are others than before (%s, were %s): change treeHead, and then this", got, want)
	}
}

// A form that is not whole is refused, wherever it ends.
func TestReadTreesOfAPart(t *testing.T) {
	kept := keepTrees([]Part{{Data: []byte("routes: [{name: a, cluster: b}]\nclusters:\n  - {name: b}\n")}})
	for n := range kept {
		if _, err := ReadTrees(kept[:n]); err == nil {
			t.Errorf("%d bytes of %d are read", n, len(kept))
		}
	}
	if _, err := ReadTrees(append(bytes.Clone(kept), 0)); err == nil {
		t.Error("more bytes than there are nodes are read")
	}
	if _, err := ReadTrees(bytes.Replace(kept, []byte("trees 2"), []byte("trees 3"), 1)); err == nil {
		t.Error("another form is read")
	}
}

// A small form cannot stand for a tree that has more nodes or levels than one of a document.
func TestReadTreesOfManyNodes(t *testing.T) {
	for _, row := range []struct {
		levels, children int
		fine             bool
	}{{2, 900, true}, {3, 100, false}, {20, 100, false}, {maxDepth - 1, 1, true}, {maxDepth, 1, false}} {
		w := newTreeWriter()
		root := w.node(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "a"})
		for range row.levels {
			text := append([]byte{byte(yaml.SequenceNode), 0}, byte(w.string("!!seq")))
			text = binary.AppendUvarint(text, uint64(row.children))
			for range row.children {
				text = binary.AppendUvarint(text, root)
			}
			root = w.put(text, row.children)
		}
		if _, err := ReadTrees(w.whole([sha256.Size]byte{}, []uint64{root})); (err == nil) != row.fine {
			t.Errorf("%d levels of %d children: %v", row.levels, row.children, err)
		}
	}
}

// FuzzReadTrees: whatever a kept form holds, reading it neither panics nor gives a tree that cannot be walked.
func FuzzReadTrees(f *testing.F) {
	for _, text := range goodTexts(f) {
		f.Add(keepTrees([]Part{{Data: text}}))
	}
	f.Fuzz(func(t *testing.T, kept []byte) {
		read, err := ReadTrees(kept)
		if err != nil {
			return
		}
		var walk func(n *yaml.Node, depth int) int
		walk = func(n *yaml.Node, depth int) int {
			nodes := 1
			for _, c := range n.Content {
				nodes += walk(c, depth+1)
			}
			if depth > maxDepth || nodes > maxTotalWeight {
				t.Fatalf("depth %d, %d nodes of %d bytes", depth, nodes, len(kept))
			}
			return nodes
		}
		for _, root := range read.roots {
			walk(root, 1)
		}
	})
}

// BenchmarkDecodeKnown is a start's way to a large document, from its text and from its trees.
func BenchmarkDecodeKnown(b *testing.B) {
	parts := []Part{{Data: large()}}
	for name, kept := range map[string][]byte{"text": nil, "trees": KeepTrees(parts)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				trees, err := ReadTrees(kept)
				if err != nil && kept != nil {
					b.Fatal(err)
				}
				if _, err := DecodeKnown(parts, bootstrap(), "known", trees); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
