package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Kept trees are what the YAML library made of the texts of a document. They are in a form that is read in a fraction
// of the time.
//
// Their form: treeHead; the hash of the texts; the number of texts. Then the strings, each once: their number, their
// lengths, and all of them in a row. Then the number of nodes and, for each text, its root with what is below. A node
// is its kind, style, tag, line (less that of the node before), column and value. In place of the value a node that is
// no scalar has the number of its children, which follow. Numbers are varints; tags and values are numbers of strings.

// treeHead changes with this form, with the version of the library, and with what parse does to a text before the
// library has it. Trees with another one are not read. A test compares it with go.mod and with the trees of testdata.
const treeHead = "trees 1, go.yaml.in/yaml/v4 v4.0.0\n"

const (
	// leastKept is the size of texts that are worth it: smaller ones are parsed in a few milliseconds.
	leastKept = 128 << 10
	// leastNode is the size of a kept node.
	leastNode = 6
)

// Trees are the trees of the parts of one document, read from their kept form. They are for one DecodeKnown.
type Trees struct {
	of    [sha256.Size]byte
	roots []*yaml.Node
}

var errTrees = errors.New("not of this version")

// KeepTrees gives the kept form of the trees of parts; nil: the parts are too small, or no document.
func KeepTrees(parts []Part) []byte {
	size := 0
	for _, p := range parts {
		size += len(p.Data)
	}
	if size < leastKept {
		return nil
	}
	return keepTrees(inOrder(parts))
}

func keepTrees(parts []Part) []byte {
	w := treeWriter{numbers: map[string]uint64{}}
	d := newDecoder(parts, Standard())
	for _, p := range parts {
		root := d.parse(p.Data)
		if root == nil {
			return nil
		}
		w.node(root)
	}
	of := hashOf(parts)
	out := append([]byte(treeHead), of[:]...)
	out = binary.AppendUvarint(out, uint64(len(parts)))
	out = binary.AppendUvarint(out, uint64(len(w.strings)))
	for _, s := range w.strings {
		out = binary.AppendUvarint(out, uint64(len(s)))
	}
	out = append(out, strings.Join(w.strings, "")...)
	out = binary.AppendUvarint(out, w.nodes)
	return append(out, w.out...)
}

// hashOf is the hash of texts and their names.
func hashOf(parts []Part) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range parts {
		for _, text := range [][]byte{[]byte(p.Name), p.Data} {
			h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
			h.Write(text)
		}
	}
	h.Sum(sum[:0])
	return sum
}

// treeWriter writes nodes, and gathers the strings that they name.
type treeWriter struct {
	out     []byte
	strings []string
	numbers map[string]uint64 // of the strings
	nodes   uint64
	line    int // of the node before
}

func (w *treeWriter) string(s string) {
	n, known := w.numbers[s]
	if !known {
		n = uint64(len(w.strings))
		w.numbers[s] = n
		w.strings = append(w.strings, s)
	}
	w.out = binary.AppendUvarint(w.out, n)
}

func (w *treeWriter) node(n *yaml.Node) {
	w.nodes++
	w.out = binary.AppendUvarint(w.out, uint64(n.Kind))
	w.out = binary.AppendUvarint(w.out, uint64(n.Style))
	w.string(n.Tag)
	w.out = binary.AppendVarint(w.out, int64(n.Line-w.line))
	w.line = n.Line
	w.out = binary.AppendVarint(w.out, int64(n.Column))
	if n.Kind == yaml.ScalarNode {
		w.string(n.Value)
		return
	}
	w.out = binary.AppendUvarint(w.out, uint64(len(n.Content)))
	for _, c := range n.Content {
		w.node(c)
	}
}

// AreTrees tells whether KeepTrees of this program has given kept for those parts.
func AreTrees(kept []byte, parts []Part) bool {
	of, _, ours := cutHead(kept)
	return ours && of == hashOf(inOrder(parts))
}

// cutHead takes off what the trees are of, if the same library and program made them.
func cutHead(kept []byte) (of [sha256.Size]byte, rest []byte, ours bool) {
	rest, ours = bytes.CutPrefix(kept, []byte(treeHead))
	if !ours || len(rest) < len(of) {
		return of, nil, false
	}
	return [sha256.Size]byte(rest), rest[len(of):], true
}

// ReadTrees reads what KeepTrees has given. The error is that another version gave it. It is not for bytes that
// somebody else may have written: that they are trees of the text is believed.
func ReadTrees(data []byte) (*Trees, error) {
	of, rest, ours := cutHead(data)
	if !ours {
		return nil, errTrees
	}
	t, r := &Trees{of: of}, treeReader{data: rest}
	roots := r.count()
	r.readStrings()
	nodes := r.count()
	if nodes > min(len(r.data)/leastNode, maxTotalWeight) {
		return nil, errTrees
	}
	r.nodes, r.below = make([]yaml.Node, 0, nodes), make([]*yaml.Node, 0, nodes)
	for range roots {
		if t.roots = append(t.roots, r.node(1)); r.bad {
			break
		}
	}
	if r.bad || len(r.data) > 0 {
		return nil, errTrees
	}
	return t, nil
}

// treeReader takes kept trees from the front of its data. Nothing that it may read there has it take more memory than
// the largest document does, or panic.
type treeReader struct {
	data    []byte
	strings []string
	nodes   []yaml.Node  // with room for all
	below   []*yaml.Node // likewise
	line    int
	bad     bool
}

// fail has all that follows fail too.
func (r *treeReader) fail() {
	r.bad, r.data = true, nil
}

func (r *treeReader) uint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *treeReader) int() int {
	v, n := binary.Varint(r.data)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.data = r.data[n:]
	return int(v)
}

// count is a number of things that each take a byte at least.
func (r *treeReader) count() int {
	n := r.uint()
	if n > uint64(len(r.data)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *treeReader) readStrings() {
	lengths := make([]int, r.count())
	sum := 0
	for i := range lengths {
		lengths[i] = r.count()
		sum += lengths[i]
	}
	if sum > len(r.data) {
		r.fail()
		return
	}
	all := string(r.data[:sum])
	r.data = r.data[sum:]
	r.strings = make([]string, len(lengths))
	for i, n := range lengths {
		r.strings[i], all = all[:n], all[n:]
	}
}

func (r *treeReader) string() string {
	n := r.uint()
	if n >= uint64(len(r.strings)) {
		r.fail()
		return ""
	}
	return r.strings[n]
}

func (r *treeReader) node(depth int) *yaml.Node {
	if depth > maxDepth || len(r.nodes) == cap(r.nodes) {
		r.fail()
		return nil
	}
	r.nodes = append(r.nodes, yaml.Node{})
	n := &r.nodes[len(r.nodes)-1]
	n.Kind, n.Style, n.Tag = yaml.Kind(r.uint()), yaml.Style(r.uint()), r.string()
	r.line += r.int()
	n.Line, n.Column = r.line, r.int()
	if n.Kind == yaml.ScalarNode {
		n.Value = r.string()
		return n
	}
	children := r.count()
	if r.bad || children > cap(r.below)-len(r.below) {
		r.fail()
		return n
	}
	from := len(r.below)
	r.below = r.below[:from+children]
	n.Content = r.below[from : from+children : from+children]
	for i := range n.Content {
		n.Content[i] = r.node(depth + 1)
	}
	return n
}
