package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

// Problem is one thing that is wrong with the bootstrap.
type Problem struct {
	Knob string // what the operator turns: env GATEWAY_LISTEN, or flag --listen
	Text string // what is wrong, with what was seen

	row int // of the variable in the table; -1 = not of it
}

func (p Problem) String() string { return p.Knob + ": " + p.Text }

// Problems are all that is wrong with the bootstrap.
type Problems []Problem

// Error gives one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// StartError is that the bootstrap cannot serve in these surroundings, and that starting it again changes nothing. For
// example a port needs rights, or a file cannot be read. It is as wrong as what Load refuses; only here it shows.
type StartError struct{ err error }

func (e *StartError) Error() string { return e.err.Error() }
func (e *StartError) Unwrap() error { return e.err }

// startError makes one of told, which is what the operator gets to read of cause. It makes none of what may be over at
// the next start.
func startError(told, cause error) error {
	if Passing(cause) {
		return told
	}
	return &StartError{told}
}

// Passing tells whether what a start failed for may be over at the next one.
func Passing(err error) bool {
	for _, passing := range []error{
		syscall.EADDRINUSE,    // somebody else has the port
		syscall.EADDRNOTAVAIL, // the machine has not got the address yet
		fs.ErrNotExist,        // the certificate has not been written yet, or the directory is not mounted
		namedfile.ErrNoReader, // who reads the access log has not been started yet
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// shownBytes bounds how much of a value a problem repeats.
const shownBytes = 120

// quote shows a value, or its beginning.
func quote(text string) string {
	if len(text) > shownBytes {
		return fmt.Sprintf("%q...", text[:shownBytes])
	}
	return fmt.Sprintf("%q", text)
}
