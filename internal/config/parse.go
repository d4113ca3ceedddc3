package config

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// MaxDocumentBytes bounds one document, all its parts together, wherever it comes from. Consul's own bound is 512 KiB a
// key.
const MaxDocumentBytes = 8 << 20

// maxDepth bounds the tree of a document. The schema needs eight.
const maxDepth = 24

// parse makes the tree of one document, whose root is a mapping with keys, or
// reports why there is none.
func (d *decoder) parse(data []byte) *yaml.Node {
	if i := badByte(data); i >= 0 {
		d.problemAt(data, i, "not text (a control byte, or not UTF-8)")
		return nil
	}
	text, line := marked(withoutVersion(data))
	d.markedLine = line
	if pieces := piecesOf(text, d.processors); pieces > 1 && line == 0 {
		if root := parseSplit(text, pieces); root != nil {
			return d.checkRoot(root)
		}
	}
	bounded := newBoundedText(text)
	loader := newLoader(bounded)
	var doc, second yaml.Node
	err := loader.Load(&doc)
	if errors.Is(err, io.EOF) {
		d.problem(nil, "is empty")
		return nil
	}
	if err == nil {
		err = loader.Load(&second)
		if err == nil {
			d.unmark(&second)
			d.problem(&second, "a second document begins here (want one)")
			return nil
		}
	}
	if !errors.Is(err, io.EOF) {
		d.syntax(data, err, bounded.why)
		return nil
	}
	root := doc.Content[0]
	d.unmark(root)
	return d.checkRoot(root)
}

func newLoader(text *boundedText) *yaml.Loader {
	loader, err := yaml.NewLoader(text, yaml.WithPlugin(text))
	if err != nil {
		panic("BUG: the YAML loader takes no reader: " + err.Error())
	}
	return loader
}

// checkRoot gives the root of a tree back if it is one of a document, or reports why it is not.
func (d *decoder) checkRoot(root *yaml.Node) *yaml.Node {
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null", root.Kind == yaml.MappingNode && len(root.Content) == 0:
		d.problem(root, "is empty")
		return nil
	case !d.isKind(root, yaml.MappingNode):
		return nil
	case isPointer(root):
		d.problem(root, "is a pointer to a pushed revision, which only a single key in Consul can be: write the "+
			"document itself here")
		return nil
	}
	if !d.checkTree(root, 1) {
		return nil
	}
	return root
}

// isPointer knows what `gateway push` writes in a document's place.
func isPointer(root *yaml.Node) bool {
	return has(root, "v") && (has(root, "parts") || has(root, "withdrawn"))
}

// withoutVersion makes a comment of a %YAML directive in front of everything. The parser refuses 1.2, which means the
// same here. Lines and columns stay.
func withoutVersion(data []byte) []byte {
	rest := bytes.TrimPrefix(data, []byte("\ufeff"))
	for {
		line, after, more := bytes.Cut(rest, []byte{'\n'})
		text := bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("%YAML 1.2")) {
			edited := bytes.Clone(data)
			edited[len(data)-len(rest)] = '#'
			return edited
		}
		if !more || len(text) > 0 && text[0] != '#' {
			return data
		}
		rest = after
	}
}

// unmark takes the start mark out of the places of a tree.
func (d *decoder) unmark(n *yaml.Node) {
	if d.markedLine == 0 {
		return
	}
	if n.Line == d.markedLine && n.Column > len(startMark) {
		n.Column -= len(startMark)
	}
	for _, c := range n.Content {
		d.unmark(c)
	}
}

// syntax reports what the YAML parser found, or the bound that stopped it.
func (d *decoder) syntax(data []byte, err, bound error) {
	var bad *yaml.LoadError
	if !errors.As(err, &bad) {
		d.problem(nil, "not YAML (%s)", err)
		return
	}
	at := yaml.Node{Line: bad.Mark.Line, Column: bad.Mark.Column}
	d.unmark(&at)
	switch {
	case errors.Is(bound, errTooDeep):
		d.problem(&at, "nested too deeply (more than %d levels)", maxDepth)
		return
	case errors.Is(bound, errItemLarge):
		d.problem(&at,
			"one item of a list is too large (over %d values, commas and quotes): is a closing bracket missing?",
			maxItemWeight)
		return
	case errors.Is(bound, errNoComma):
		d.problem(&at, "over %d values and quotes in a row: is a comma, a quote or a closing bracket missing?",
			maxChain)
		return
	}
	if isTab(data, at.Line, at.Column) {
		d.problem(&at, "not YAML (a tab: write spaces in front of a key, a dash or a value)")
		return
	}
	what := bad.Message
	if bad.ContextMsg != "" {
		what = bad.ContextMsg + ": " + what
	}
	if hint := syntaxHints[bad.Message]; hint != "" {
		what += ": " + hint
	}
	d.problem(&at, "not YAML (%s)", what)
}

// syntaxHints are what to look for, by what the parser says of the most frequent mistakes. Its words are about its own
// states.
var syntaxHints = map[string]string{
	"mapping values are not allowed in this context": "is this line indented as its neighbours are, " +
		"and does the one before it have its colon?",
	"did not find expected <document start>": "want lines such as key: value",
	"could not find expected ':'":            "a line without a colon, want key: value",
	"did not find expected '-' indicator":    "is this line indented as its neighbours are?",
}

// isTab tells whether there is a tab at a line and column, both counted from 1.
func isTab(data []byte, line, column int) bool {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte{'\n'})
	}
	return 0 < column && column <= len(data) && data[column-1] == '\t'
}

// checkTree refuses what would let a value be somewhere else than where it is
// read, or a small text mean a large tree.
func (d *decoder) checkTree(n *yaml.Node, depth int) bool {
	switch {
	case depth > maxDepth:
		d.problem(n, "nested too deeply (more than %d levels)", maxDepth)
		return false
	case n.Kind == yaml.AliasNode:
		d.problem(n, "aliases are not read, write the value out (*%s)", shown(n.Value))
		return false
	case n.Anchor != "":
		d.problem(n, "anchors are not read, write the value out where it is needed (&%s)", shown(n.Anchor))
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.problem(n, "tags are not read (%s)", shown(n.Tag))
		return false
	case n.Tag == "!!merge":
		d.problem(n, "merge keys are not read, write the keys out (<<)")
		return false
	}
	fine := true
	for _, c := range n.Content {
		fine = d.checkTree(c, depth+1) && fine
	}
	return fine
}

// badByte gives the offset of the first byte that is no part of a text, or -1.
func badByte(data []byte) int {
	for i := 0; i < len(data); {
		c := data[i]
		switch {
		case c >= ' ' && c < 0x7f, c == '\n', c == '\t', c == '\r':
			i++
		case c < utf8.RuneSelf:
			return i
		default:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 || r >= 0x80 && r < 0xa0 && r != 0x85 {
				return i
			}
			i += size
		}
	}
	return -1
}
