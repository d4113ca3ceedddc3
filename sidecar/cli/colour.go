package cli

import (
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

// terminal tells whether stdout is one.
func (p *Process) terminal() bool {
	f, ok := p.Stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured tells whether stdout is a terminal of somebody who wants colours.
func (p *Process) coloured() bool {
	return p.terminal() && p.variable("NO_COLOR") == "" && p.variable("TERM") != "dumb"
}
