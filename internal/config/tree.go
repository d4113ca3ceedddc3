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
// of the time. Nodes that are alike are one node: keys, and many values, are the same again and again. So a large
// document takes a fraction of the memory too, and a tree has no places.
//
// Their form: treeHead; the hash of the texts; the number of texts. Then the strings, each once: their number,
// their lengths, and all of them in a row. Then the number of nodes, the number of all children, and the nodes, a
// child before what holds it. Then, for each text, its root. A node is its kind, style, tag and value. In place of
// the value a node that is no scalar has the number of its children, and these. Numbers are varints; tags and
// values are numbers of strings, children and roots are numbers of nodes.

// treeHead changes with this form, with the version of the library, and with what parse does to a text before the
// library has it. Trees with another one are not read. A test compares it with go.mod and with the trees of testdata.
const treeHead = "trees 2, go.yaml.in/yaml/v4 v4.0.0\n"

const (
	// leastKept is the size of texts that are worth it: smaller ones are parsed in a few milliseconds.
	leastKept = 128 << 10
	// leastNode is the size of a kept node.
	leastNode = 4
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
	w := newTreeWriter()
	var roots []uint64
	d := newDecoder(parts, Standard())
	for _, p := range parts {
		root := d.parse(p.Data)
		if root == nil {
			return nil
		}
		roots = append(roots, w.node(root))
	}
	return w.whole(hashOf(parts), roots)
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
	out      []byte
	strings  []string
	numbers  map[string]uint64 // of the strings
	known    map[string]uint64 // the number of each node that was written, by how it was written
	children uint64            // of all nodes
}

func newTreeWriter() treeWriter {
	return treeWriter{numbers: map[string]uint64{}, known: map[string]uint64{}}
}

// whole is the kept form, with these roots.
func (w *treeWriter) whole(of [sha256.Size]byte, roots []uint64) []byte {
	out := append([]byte(treeHead), of[:]...)
	out = binary.AppendUvarint(out, uint64(len(roots)))
	out = binary.AppendUvarint(out, uint64(len(w.strings)))
	for _, s := range w.strings {
		out = binary.AppendUvarint(out, uint64(len(s)))
	}
	out = append(out, strings.Join(w.strings, "")...)
	out = binary.AppendUvarint(out, uint64(len(w.known)))
	out = binary.AppendUvarint(out, w.children)
	out = append(out, w.out...)
	for _, root := range roots {
		out = binary.AppendUvarint(out, root)
	}
	return out
}

func (w *treeWriter) string(s string) uint64 {
	n, known := w.numbers[s]
	if !known {
		n = uint64(len(w.strings))
		w.numbers[s] = n
		w.strings = append(w.strings, s)
	}
	return n
}

// node gives the number of a node, which is written unless one like it was.
func (w *treeWriter) node(n *yaml.Node) uint64 {
	text := binary.AppendUvarint(nil, uint64(n.Kind))
	text = binary.AppendUvarint(text, uint64(n.Style))
	text = binary.AppendUvarint(text, w.string(n.Tag))
	if n.Kind == yaml.ScalarNode {
		text = binary.AppendUvarint(text, w.string(n.Value))
	} else {
		text = binary.AppendUvarint(text, uint64(len(n.Content)))
	}
	for _, c := range n.Content {
		text = binary.AppendUvarint(text, w.node(c))
	}
	return w.put(text, len(n.Content))
}

// put gives the number of a node that is written so.
func (w *treeWriter) put(text []byte, children int) uint64 {
	number, known := w.known[string(text)]
	if !known {
		number = uint64(len(w.known))
		w.known[string(text)] = number
		w.children += uint64(children)
		w.out = append(w.out, text...)
	}
	return number
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
	children := r.count()
	if nodes > min(len(r.data)/leastNode, maxTotalWeight) {
		return nil, errTrees
	}
	r.nodes, r.sizes, r.below = make([]yaml.Node, 0, nodes), make([]treeSize, 0, nodes), make([]*yaml.Node, 0, children)
	for range nodes {
		r.node()
	}
	for range roots {
		root, _ := r.known()
		t.roots = append(t.roots, root)
	}
	if r.bad || len(r.data) > 0 {
		return nil, errTrees
	}
	return t, nil
}

// treeReader takes kept trees from the front of its data. Nothing that it may read there has it take more memory than
// the largest document does, or panic. No tree has more nodes or levels than that of a document may have.
type treeReader struct {
	data    []byte
	strings []string
	nodes   []yaml.Node  // with room for all
	sizes   []treeSize   // of the nodes
	below   []*yaml.Node // with room for all children
	bad     bool
}

// treeSize is that of a node with all that is below.
type treeSize struct{ depth, nodes int32 }

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

// known is a node that was read before.
func (r *treeReader) known() (*yaml.Node, treeSize) {
	n := r.uint()
	if n >= uint64(len(r.nodes)) {
		r.fail()
		return nil, treeSize{}
	}
	return &r.nodes[n], r.sizes[n]
}

func (r *treeReader) node() {
	if r.bad {
		return
	}
	n := yaml.Node{Kind: yaml.Kind(r.uint()), Style: yaml.Style(r.uint()), Tag: r.string()}
	size := treeSize{depth: 1, nodes: 1}
	if n.Kind == yaml.ScalarNode {
		n.Value = r.string()
	} else {
		from, children := len(r.below), r.count()
		if children > cap(r.below)-from {
			r.fail()
			return
		}
		for range children {
			c, below := r.known()
			r.below = append(r.below, c)
			size.depth = max(size.depth, below.depth+1)
			if size.nodes += below.nodes; size.depth > maxDepth || size.nodes > maxTotalWeight {
				r.fail()
			}
			if r.bad {
				return
			}
		}
		n.Content = r.below[from:len(r.below):len(r.below)]
	}
	r.nodes, r.sizes = append(r.nodes, n), append(r.sizes, size)
}
