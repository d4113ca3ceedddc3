package cli

import (
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// forEyes has a gateway write for people what goes to a terminal. It is a short line for each request, and each
// problem of a document on a line of its own. Who wants JSON, or has chosen fields, gets them there too.
func (p *Process) forEyes(o *sidecar.Options, b *sidecar.Bootstrap) {
	if b.LogFormat != "text" {
		return
	}
	if isTerminal(p.Stdout) && b.AccessLog == "stdout" && len(b.AccessLogFields) == 0 {
		o.Eyes = &sidecar.Eyes{Colour: p.coloured()}
	}
	if isTerminal(p.Stderr) {
		o.Logger = rowLogger{o.Logger}
	}
}

// rowLogger writes the entries of a list on rows, where there would be one long line. Only the root of the logger does,
// which is where lists of problems are told.
type rowLogger struct{ hclog.Logger }

// Warn is the level of what is wrong.
func (l rowLogger) Warn(message string, values ...any) {
	rows := make([]any, len(values))
	for i, v := range values {
		if list, ok := v.([]string); ok && len(list) > 0 {
			v = strings.Join(list, "\n") + "\n" // what has a line end is written in rows
		}
		rows[i] = v
	}
	l.Logger.Warn(message, rows...)
}
