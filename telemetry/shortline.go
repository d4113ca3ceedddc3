package telemetry

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// shortLine writes records for the eyes of a developer: the time, method, path, status, milliseconds, route and
// endpoint in columns, and why it failed.
type shortLine struct {
	colour bool
}

// ShortLines has the log write short lines in place of what documents choose, for a terminal; colour says whether it
// has colours. It is called before the first Write.
func (l *AccessLog) ShortLines(colour bool) { l.short = &shortLine{colour} }

// The widths of the columns; what is longer moves the rest of its line.
const (
	shortMethod = 7
	shortPath   = 28
	shortMillis = 8
	shortRoute  = 12
	longestPath = 120 // then it is cut
)

func (s *shortLine) append(dst []byte, r *Record) []byte {
	dst = r.Time.AppendFormat(dst, "15:04:05 ")
	method, path := r.Method, r.Path
	if r.Status == 0 { // a connection of L4
		method, path = []byte("TCP"), []byte(r.Listener)
	}
	dst = padTo(appendPrintable(dst, method), method, shortMethod)
	if len(path) > longestPath {
		path = append(path[:longestPath:longestPath], "..."...)
	}
	dst = padTo(appendPrintable(dst, path), path, shortPath)
	dst = s.appendStatus(dst, r)
	ms := strconv.AppendFloat(nil, float64(r.Duration.Microseconds())/1000, 'f', 1, 64)
	dst = append(dst, strings.Repeat(" ", max(shortMillis-len(ms), 1))...)
	dst = append(append(dst, ms...), " ms  "...)
	route := r.Route
	if route == "" {
		route = "-"
	}
	dst = padTo(append(dst, route...), []byte(route), shortRoute)
	if r.Endpoint != "" {
		dst = append(append(dst, "→ "...), r.Endpoint...)
	}
	if r.Flag != NoFlag {
		dst = append(append(dst, "  "...), r.Flag.String()...)
		if r.Reason != nil {
			dst = appendPrintable(append(dst, ' '), []byte(r.Reason.Error()))
		}
	}
	return append(dst, '\n')
}

// appendStatus appends the status in three places, in the colour of its class.
func (s *shortLine) appendStatus(dst []byte, r *Record) []byte {
	status := strconv.Itoa(r.Status)
	colour := ""
	switch {
	case r.Status == 0:
		status = "-  "
	case r.Status >= 500:
		colour = "\x1b[31m" // red
	case r.Status >= 400:
		colour = "\x1b[33m" // yellow
	case r.Status >= 300:
		colour = "\x1b[36m" // cyan
	default:
		colour = "\x1b[32m" // green
	}
	if r.Status == 0 && r.Flag != NoFlag {
		colour = "\x1b[31m"
	}
	if !s.colour || colour == "" {
		return append(dst, status...)
	}
	return append(append(append(dst, colour...), status...), "\x1b[0m"...)
}

// padTo appends the blanks that text lacks to a column's width, one at least.
func padTo(dst, text []byte, width int) []byte {
	return append(dst, strings.Repeat(" ", max(width-utf8.RuneCount(text), 1))...)
}

// appendPrintable appends what a client has sent, without what a terminal would obey.
func appendPrintable(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			r = '?'
		}
		dst, text = utf8.AppendRune(dst, r), text[n:]
	}
	return dst
}
