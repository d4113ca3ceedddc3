package config

import (
	"bytes"
	"errors"
	"io"

	"go.yaml.in/yaml/v4"
)

// What one text may cost. The YAML library makes a node of about 200 bytes for each value, list and mapping. It reads
// some lists whole before it gives out their first token, at 800 bytes a token.
const (
	// sizeUnit is what Consul takes in one key. A text of this size costs at most 64 MB.
	sizeUnit = 512 << 10
	// maxWeight bounds the nodes of each sizeUnit. Thirteen thousand of the shortest routes fit.
	maxWeight = 224 << 10
	// maxTotalWeight bounds all parts together, whatever their size. Ten thousand routes with all settings fit.
	maxTotalWeight = 4 * maxWeight
	// maxOpen bounds the open brackets, and the open indents. What is deeper than maxDepth, but not as deep as this, is
	// found in the tree.
	maxOpen = 2 * maxDepth
	// maxItemWeight bounds what the library reads ahead of an item of a list, which may be a key. maxChain bounds what
	// it reads ahead between two commas, or in one line, where nothing may be a key.
	maxItemWeight = 32 << 10
	maxChain      = 4 << 10
)

var (
	errTooDeep   = errors.New("nested too deeply")
	errItemLarge = errors.New("an item of a list is too large")
	errNoComma   = errors.New("too much without a comma")
)

// nodeWeight is at least the number of nodes that byte i of a text can begin. It is two for a colon, which has a key
// and a value. It does not know what is quoted: an indicator in a text counts too. A comment costs as much as six
// nodes.
func nodeWeight(text []byte, i int) int {
	switch text[i] {
	case ':', ',', '{', '?':
		return 2
	case '[':
		return 1
	case '-':
		if i+1 == len(text) || isBlank(text[i+1]) {
			return 1
		}
	case '#':
		if i == 0 || isBlank(text[i-1]) {
			return 6
		}
	}
	return 0
}

// tokenWeight is nodeWeight, and counts the tokens that begin no node of their own too.
func tokenWeight(text []byte, i int) int {
	switch text[i] {
	case '!', '&', '*', '"', '\'', ']', '}':
		return 1
	}
	return nodeWeight(text, i)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// weigh gives the weight of a text before anything is made of it.
func weigh(text []byte) int {
	sum := 0
	for i := range text {
		sum += nodeWeight(text, i)
	}
	return sum
}

// allowedWeight is what texts of a size may weigh together.
func allowedWeight(size int) int {
	units := max((size+sizeUnit-1)/sizeUnit, 1)
	return min(units*maxWeight, maxTotalWeight)
}

// startMark in front of a text that begins with a bracket makes the library give out its tokens as it reads them.
// Without it the whole could be a key, so all of it would be read first.
const startMark = "--- "

// marked gives a text with the mark, and the line that has it; 0 = it needs none.
func marked(text []byte) ([]byte, int) {
	start, line := 0, 1
	for {
		end := bytes.IndexByte(text[start:], '\n')
		content := text[start:]
		if end >= 0 {
			content = content[:end]
		}
		content = bytes.TrimLeft(content, " ")
		switch {
		case len(content) > 0 && (content[0] == '{' || content[0] == '['):
			return bytes.Join([][]byte{text[:start], []byte(startMark), text[start:]}, nil), line
		case end < 0, len(content) > 0 && content[0] != '#' && content[0] != '\r':
			return text, 0
		}
		start += end + 1
		line++
	}
}

// boundedText gives a text to the library byte by byte, so that it knows where the library is, and stops it at a bound.
type boundedText struct {
	text  []byte
	at    int
	ahead readAhead
	why   error // the bound that stopped the library
}

func newBoundedText(text []byte) *boundedText { return &boundedText{text: text, ahead: newReadAhead()} }

func (b *boundedText) Read(p []byte) (int, error) {
	if b.at == len(b.text) {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	b.ahead.next(b.text, b.at)
	if b.ahead.tokens > b.ahead.most() {
		if b.why = errItemLarge; b.ahead.most() == maxChain {
			b.why = errNoComma
		}
		return 0, b.why
	}
	p[0] = b.text[b.at]
	b.at++
	return 1, nil
}

// CheckDepth is called by the library at each bracket and at each deeper indent.
func (b *boundedText) CheckDepth(depth int, _ *yaml.DepthContext) error {
	if depth > maxOpen {
		b.why = errTooDeep
		return b.why
	}
	return nil
}

// CheckAlias is for values that are made of aliases; we read none.
func (*boundedText) CheckAlias(int, int) error { return nil }
