package mtls

import "strings"

// maxText bounds what a file or a peer may put into a message of ours.
const maxText = 160

// plain makes text from outside fit for one line of a log: printable ASCII, and
// not long. Everything else becomes a question mark.
func plain(s string) string {
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	if cut {
		s += "..."
	}
	return s
}
