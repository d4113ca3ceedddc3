package cli

import (
	"io"
	"strings"
	"unicode"
)

// printable takes out of a text what a terminal would obey: a client, an endpoint or a check of Consul may have written
// it. A blank is in the place of each such character.
func printable(text string) string { return strings.Map(printableOr, text) }

func printableOr(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return ' '
}

// lineWriter writes lines for people, one with each call of Write. What it is given is made printable, but for the tabs
// between columns and the end of the line.
type lineWriter struct{ io.Writer }

func (l lineWriter) Write(line []byte) (n int, err error) {
	text, ended := strings.CutSuffix(string(line), "\n")
	text = strings.Map(func(r rune) rune {
		if r == '\t' {
			return r
		}
		return printableOr(r)
	}, text)
	if ended {
		text += "\n"
	}
	if _, err := io.WriteString(l.Writer, text); err != nil {
		return 0, err
	}
	return len(line), nil
}
