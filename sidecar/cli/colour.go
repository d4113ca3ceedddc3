package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// The colours of a terminal. Whatever has one has a mark or a word too.
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	plain  = "\x1b[0m"
)

// isTerminal tells whether what is written goes to one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured tells whether stdout is a terminal of somebody who wants colours.
func (p *Process) coloured() bool {
	return isTerminal(p.Stdout) && p.variable("NO_COLOR") == "" && p.variable("TERM") != "dumb"
}
