package config

import (
	"fmt"
	"strings"
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

// Problems are all that is wrong with a document, in the order of their places.
type Problems []Problem

// Error gives one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}
