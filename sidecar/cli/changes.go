package cli

import (
	"bufio"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/internal/docdiff"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

const (
	width     = 80 // characters of a line that people read
	mostShown = 50 // changes that people read
)

// mark begins the line of a change; the colour is used on a terminal.
var marks = map[string]struct{ sign, colour string }{
	docdiff.Added:   {"+", green},
	docdiff.Removed: {"-", red},
	docdiff.Changed: {"~", yellow},
}

// print tells people what changes, a line each.
func (d difference) print(p *Process) error {
	w := bufio.NewWriter(p.Stdout)
	coloured := p.coloured()
	for i, c := range d.Changes {
		if i == mostShown {
			fmt.Fprintf(w, "... and %s (--json has all)\n", sidecar.Count(len(d.Changes)-mostShown, "more change"))
			break
		}
		line := marks[c.What].sign + " " + c.Kind
		if c.Name != "" {
			line += " " + c.Name
		}
		line = cut(line, width)
		if coloured {
			line = marks[c.What].colour + line + plain
		}
		fmt.Fprintln(w, line)
		for _, f := range c.Fields {
			fmt.Fprintln(w, fieldLine(f))
		}
	}
	for _, m := range d.Means {
		fmt.Fprintln(w, wrap("means: "+m))
	}
	if len(d.Changes) == 0 {
		fmt.Fprintln(w, "no change")
	}
	return w.Flush()
}

// fieldLine is path: before -> after, each cut to the room that there is.
func fieldLine(f docdiff.Field) string {
	const arrow, indent, least = " -> ", "    ", 12
	path := cut(f.Path, width/2)
	before, after := shownValue(f.Before), shownValue(f.After)
	room := width - len(indent) - utf8.RuneCountInString(path) - len(": ") - len(arrow)
	half := max(room/2, least)
	before = cut(before, max(half, room-utf8.RuneCountInString(after)))
	after = cut(after, max(least, room-utf8.RuneCountInString(before)))
	return indent + path + ": " + before + arrow + after
}

func shownValue(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

// cut shortens a printable text to n characters.
func cut(text string, n int) string {
	text = printable(text)
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-3]) + "..."
}

// wrap breaks a sentence into lines of the width; those after the first are indented. A longer word has a line alone.
func wrap(text string) string { return wrapAt(text, "") }

// wrapAt is wrap for lines that begin with indent.
func wrapAt(text, indent string) string { return wrapTo(text, indent, width) }

// wrapTo is wrapAt for lines of a width.
func wrapTo(text, indent string, width int) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(cut(text, len(text))) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+n > width:
			b.WriteString("\n" + indent + "  ")
			column = len(indent) + len("  ")
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
