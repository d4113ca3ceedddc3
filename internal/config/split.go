package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"sync"

	"go.yaml.in/yaml/v4"
)

const (
	// mostPieces bounds how many goroutines parse one text.
	mostPieces = 4
	// leastPiece is the size of a piece that is worth a goroutine.
	leastPiece = 64 << 10
)

// piece is a part of a text that is parsed alone. It goes from an item of a list to another one, of the same list or a
// later one. All but the first begin with the list's key once more.
type piece struct {
	text  []byte
	lines int    // what is to be added to a line of it
	key   string // of the list that it goes on with; empty: the first piece
	items int    // of that list, in this piece
	last  int    // of the list that the next piece goes on with, in this piece
}

// listKey is a line that begins a list of the root, if items follow.
var listKey = regexp.MustCompile(`^[a-z_]+:[ \t\r]*$`)

// split cuts a text in front of items of the lists of its root, as the lines show them. It may be wrong: a line may be
// part of a text in quotes. join finds that out.
func split(text []byte, pieces int) []piece {
	if hasOtherBreaks(text) {
		return nil
	}
	var all []piece
	var now piece
	begun := 0   // offset of the piece
	list := ""   // key of the list that the lines are of; empty: of none
	indent := -1 // of its items; -1: there is none yet
	items := 0   // of it, in this piece
	first := true
	endList := func() {
		if first && now.key != "" {
			now.items = items
		}
		first = false
	}
	for at, line := 0, 1; at < len(text); line++ {
		content, _, _ := bytes.Cut(text[at:], []byte{'\n'})
		item := bytes.TrimLeft(content, " ")
		dent := len(content) - len(item)
		isItem := len(item) > 1 && item[0] == '-' && item[1] == ' '
		switch {
		case len(item) == 0, item[0] == '#', item[0] == '\r':
		case dent == 0 && !isItem:
			endList()
			list, indent, items = "", -1, 0
			if listKey.Match(content) {
				list = string(content[:bytes.IndexByte(content, ':')])
			}
		case list == "":
		case isItem && (indent < 0 || dent == indent):
			if cut := len(all) + 1; items > 0 && cut < pieces && at >= len(text)/pieces*cut {
				endList()
				now.text, now.last = text[begun:at], items
				all = append(all, now)
				now = piece{lines: line - 2, key: list}
				begun, items, first = at, 0, true
			}
			indent = dent
			items++
		case indent < 0: // a mapping
			list = ""
		}
		at += len(content) + 1
	}
	endList()
	if len(all) == 0 {
		return nil
	}
	now.text = text[begun:]
	all = append(all, now)
	for i := range all[1:] {
		p := &all[i+1]
		p.text = bytes.Join([][]byte{[]byte(p.key + ":\n"), p.text}, nil)
	}
	return all
}

// hasOtherBreaks tells whether YAML sees ends of lines besides those that split counts.
func hasOtherBreaks(text []byte) bool {
	return bytes.Count(text, []byte{'\r'}) != bytes.Count(text, []byte("\r\n")) ||
		bytes.Contains(text, []byte("\u0085")) || bytes.Contains(text, []byte("\u2028")) ||
		bytes.Contains(text, []byte("\u2029"))
}

// piecesOf is in how many pieces to parse a text, with so many processors.
func piecesOf(text []byte, processors int) int {
	return min(processors, mostPieces, len(text)/leastPiece)
}

// parseSplit parses a text in several goroutines, and gives the root of its tree, as parsing the whole would. nil:
// parse the whole, which also tells what is wrong with it.
func parseSplit(text []byte, pieces int) *yaml.Node {
	all := split(text, pieces)
	if all == nil {
		return nil
	}
	roots := make([]*yaml.Node, len(all))
	var parsing sync.WaitGroup
	for i := range all {
		parsing.Go(func() { roots[i] = all[i].parse() })
	}
	parsing.Wait()
	return join(all, roots)
}

// parse gives the root of the piece; nil: it is no document with a mapping.
func (p *piece) parse() *yaml.Node {
	var doc, second yaml.Node
	loader := newLoader(newBoundedText(p.text))
	if loader.Load(&doc) != nil || !errors.Is(loader.Load(&second), io.EOF) {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode || len(root.Content) == 0 {
		return nil
	}
	moveDown(root, p.lines)
	return root
}

func moveDown(n *yaml.Node, lines int) {
	n.Line += lines
	for _, c := range n.Content {
		moveDown(c, lines)
	}
}

// join puts the roots of the pieces together. A cut may be within quotes or brackets, or after the end of the
// document. Then the piece is no document, or its lists have not the items that the lines show, and the result is nil.
func join(all []piece, roots []*yaml.Node) *yaml.Node {
	for i := range all {
		root := roots[i]
		if root == nil || i > 0 && !isList(root.Content[:2], all[i].key, all[i].items) ||
			i < len(all)-1 && !isList(root.Content[len(root.Content)-2:], all[i+1].key, all[i].last) {
			return nil
		}
	}
	whole := roots[0]
	for _, root := range roots[1:] {
		list := whole.Content[len(whole.Content)-1]
		list.Content = append(list.Content, root.Content[1].Content...)
		whole.Content = append(whole.Content, root.Content[2:]...)
	}
	return whole
}

// isList tells whether a key with its value is a list with that name and so many items.
func isList(pair []*yaml.Node, key string, items int) bool {
	return pair[0].Kind == yaml.ScalarNode && pair[0].Value == key && pair[1].Kind == yaml.SequenceNode &&
		len(pair[1].Content) == items
}
