package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// What a terminal is told. They are the same for all that are in use, so no table of terminals is needed.
const (
	screenBegin = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	screenEnd   = "\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	lineEnd     = "\x1b[K\r\n" // clears the rest of the line
	screenRest  = "\x1b[J"
	noColour    = "\x1b[0m"
)

var colours = map[lineKind]string{lineBad: red, lineHead: "\x1b[7m"}

// screen is a terminal that is drawn on.
type screen struct {
	w      io.Writer
	colour bool
	size   func() (width, height int)
	err    error // of the first write that failed
}

func (s *screen) begin() { s.write(screenBegin) }
func (s *screen) end()   { s.write(screenEnd) }

func (s *screen) write(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text)
	}
}

// draw replaces what is on the screen. err is why the status is not of now.
func (s *screen) draw(v *topView, st *sidecar.Status, err error) {
	width, height := s.size()
	width, height = max(width, 20), max(height, 4)
	var lines []topLine
	if err != nil {
		lines = append(lines, topLine{text: cut(err.Error(), width), kind: lineBad})
	}
	if st != nil {
		lines = append(lines, v.lines(st, width)...)
	}
	if len(lines) > height-1 {
		fixed := min(v.fixed+len(lines)-v.total, height-2) // the head, above what is moved
		rows := lines[fixed:]
		v.first = min(v.first, max(0, len(rows)-(height-1-fixed)))
		lines = append(lines[:fixed:fixed], rows[v.first:min(len(rows), v.first+height-1-fixed)]...)
	} else {
		v.first = 0
	}
	var b strings.Builder
	b.WriteString(screenHome)
	for _, l := range lines {
		if colour := colours[l.kind]; s.colour && colour != "" {
			b.WriteString(colour + l.text + noColour + lineEnd)
		} else {
			b.WriteString(l.text + lineEnd)
		}
	}
	b.WriteString(cut(fmt.Sprintf("q end  s sort (%s)  v %s  arrows move", v.sort, otherTable(v.table)), width))
	b.WriteString("\x1b[K" + screenRest)
	s.write(b.String())
}
