package config

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	maxProblems = 100  // told to a person
	maxKept     = 1000 // while reading, so that a hostile document costs no more
)

// Problem is one thing that is wrong with a document, and where.
type Problem struct {
	Part         string // empty for a single document
	Line, Column int    // from 1; columns count characters
	Path         string // such as routes[2].match.host
	Text         string // what is wrong (what was seen)
}

// String gives `part:line:column: path: what is wrong (what was seen)`.
func (p Problem) String() string {
	s := fmt.Sprintf("%d:%d: %s: %s", p.Line, p.Column, p.Path, p.Text)
	if p.Part != "" {
		s = p.Part + ":" + s
	}
	return s
}

// Problems are all that is wrong with a document, in the order of their
// places. Of more than a hundred the last says how many more there are.
type Problems []Problem

// Error gives one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// found is a problem with the part it is in.
type found struct {
	part int
	Problem
}

// problem reports what is wrong at a node of the part being read; no node means
// its beginning. What the bootstrap adds has no place, so its path says so.
func (d *decoder) problem(n *yaml.Node, format string, args ...any) {
	d.total++
	if d.isFull() {
		return
	}
	p := Problem{Line: 1, Column: 1, Path: d.pathString(), Text: fmt.Sprintf(format, args...)}
	if n != nil && !d.base {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, found{part: d.part, Problem: p})
}

// isFull tells whether more problems are counted only.
func (d *decoder) isFull() bool { return len(d.problems) >= maxKept }

// problemIn reports what is wrong with a key's value, or, if the mapping has no
// such key, with the mapping.
func (d *decoder) problemIn(n *yaml.Node, key, format string, args ...any) {
	v := valueOf(n, key)
	if v == nil {
		d.problem(n, format, args...)
		return
	}
	d.enter(key)
	d.problem(v, format, args...)
	d.leave()
}

// problemAt reports what is wrong at an offset, when there is no tree yet.
func (d *decoder) problemAt(data []byte, offset int, text string) {
	line := bytes.Count(data[:offset], []byte("\n"))
	start := bytes.LastIndexByte(data[:offset], '\n') + 1
	d.problem(&yaml.Node{Line: line + 1, Column: utf8.RuneCount(data[start:offset]) + 1}, "%s", text)
}

// sorted gives the problems as they are told.
func (d *decoder) sorted() Problems {
	slices.SortStableFunc(d.problems, func(a, b found) int {
		return cmp.Or(a.part-b.part, a.Line-b.Line, a.Column-b.Column)
	})
	ps := make(Problems, 0, min(len(d.problems), maxProblems)+1)
	for _, f := range d.problems[:min(len(d.problems), maxProblems)] {
		if f.part < len(d.parts) {
			f.Part = d.parts[f.part].Name
			f.Line, f.Column = inside(d.parts[f.part].Data, f.Line, f.Column)
		}
		ps = append(ps, f.Problem)
	}
	if more := d.total - len(ps); more > 0 {
		last := ps[len(ps)-1]
		last.Path, last.Text = "document", fmt.Sprintf("and %d more problems", more)
		ps = append(ps, last)
	}
	return ps
}

// inside moves a place that a parser puts behind the end of the text onto it.
func inside(data []byte, line, column int) (int, int) {
	for l := 1; l < line; l++ {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			line, column = l, math.MaxInt
			break
		}
		data = data[end+1:]
	}
	data, _, _ = bytes.Cut(data, []byte("\n"))
	return max(line, 1), min(max(column, 1), utf8.RuneCount(data)+1)
}

// unknownKey reports a key that is not known here, with the one probably meant.
func (d *decoder) unknownKey(key *yaml.Node, keys func() []string) {
	if key.Kind != yaml.ScalarNode {
		d.problem(key, "want a key (%s)", seen(key))
		return
	}
	if d.isFull() {
		d.total++
		return
	}
	known := keys()
	if like := meant(key.Value, known); like != "" {
		d.problem(key, "key %s is not known, did you mean %s?", shown(key.Value), like)
		return
	}
	if len(d.path) > 2 && d.path[0].key == "routes" && slices.Contains(d.keysOfRoute, key.Value) {
		d.problem(key, "key %s is not known here: it is one of the route", key.Value)
		return
	}
	if len(d.path) > 0 && slices.Contains(readOrder, key.Value) {
		d.problem(key, "key %s is not known here: it is one of the whole document", key.Value)
		return
	}
	d.problem(key, "key %s is not known (known: %s)", shown(key.Value), strings.Join(known, ", "))
}

// isKind reports a node of the wrong kind.
func (d *decoder) isKind(n *yaml.Node, want yaml.Kind) bool {
	if n.Kind == want {
		return true
	}
	word := map[yaml.Kind]string{yaml.MappingNode: "a mapping", yaml.SequenceNode: "a list",
		yaml.ScalarNode: "a single value"}[want]
	if want == yaml.SequenceNode && n.Kind == yaml.MappingNode {
		word += beginWithDash
	}
	d.problem(n, "want %s (%s)", word, seen(n))
	return false
}

// beginWithDash is what is told whoever wrote a mapping where a list is wanted.
const beginWithDash = ": begin each entry with - and a space"

// isList reports a node that is none. The parameter item is an example of what is wanted in it, empty for a single
// value such as that which is there.
func (d *decoder) isList(n *yaml.Node, item string) bool {
	switch {
	case n.Kind == yaml.SequenceNode:
		return true
	case item != "":
		d.problem(n, "want a list such as [%s] (%s)", item, seen(n))
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		d.problem(n, "want a list: write [%s] (%s)", shown(n.Value), seen(n))
	case n.Kind == yaml.MappingNode:
		d.problem(n, "want a list"+beginWithDash+" (%s)", seen(n))
	default:
		d.problem(n, "want a list (%s)", seen(n))
	}
	return false
}

// isMapping reports a node that is none; form is an example of what is wanted.
func (d *decoder) isMapping(n *yaml.Node, form string) bool {
	if n.Kind == yaml.MappingNode {
		return true
	}
	d.problem(n, "want a mapping such as %s (%s)", form, seen(n))
	return false
}

// seen says in a few words what a node is.
func seen(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "seen a mapping"
	case n.Kind == yaml.SequenceNode:
		return "seen a list"
	case n.Tag == "!!null":
		return "seen nothing"
	case n.Tag == "!!str":
		return fmt.Sprintf("seen %q", clip(n.Value))
	}
	return "seen " + shown(n.Value)
}

// shown is a value in a problem: short, and on one line whatever is in it.
func shown(s string) string {
	s = clip(s)
	if quoted := strconv.Quote(s); quoted[1:len(quoted)-1] != s {
		return quoted
	}
	return s
}

// clip keeps what is shown of a value short.
func clip(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}
