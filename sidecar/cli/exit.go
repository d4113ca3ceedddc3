package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// The exit codes.
const (
	exitFine  = 0
	exitBad   = 1 // the thing asked about is bad
	exitUsage = 2 // the question is

	exitTimeOver = 3 // the time is over, and the answer is not known
)

// badError is an answer of no: the thing asked about is bad, or it is not known within the time. An empty text was told
// already. All other errors are of usage.
type badError struct {
	text string
	code int
}

func (e *badError) Error() string { return e.text }

// bad makes an error about the thing asked about.
func bad(format string, args ...any) error { return &badError{fmt.Sprintf(format, args...), exitBad} }

// timeOver makes an error of what is not known within the time.
func timeOver(format string, args ...any) error {
	return &badError{fmt.Sprintf(format, args...), exitTimeOver}
}

// exitCode tells stderr what went wrong, each line with the program's name, as
// it may stand among others' lines.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitFine
	}
	if text := err.Error(); text != "" {
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintln(stderr, "gateway: "+printable(line))
		}
	}
	if answer, ok := errors.AsType[*badError](err); ok {
		return answer.code
	}
	return exitUsage
}
