package cli

import (
	"context"
	"io"
)

// topKey is what a key means to top.
type topKey int

const (
	keyNone topKey = iota
	keyQuit
	keySort
	keyTable
	keyUp
	keyDown
	keyPageUp
	keyPageDown
)

// topKeys are the bytes that a terminal in raw mode sends.
var topKeys = map[string]topKey{
	"q": keyQuit, "\x03": keyQuit, "\x04": keyQuit, // Ctrl-C, Ctrl-D
	"s": keySort, "v": keyTable, "\t": keyTable,
	"k": keyUp, "\x1b[A": keyUp, "\x1bOA": keyUp,
	"j": keyDown, "\x1b[B": keyDown, "\x1bOB": keyDown,
	"b": keyPageUp, "\x1b[5~": keyPageUp,
	" ": keyPageDown, "\x1b[6~": keyPageDown,
}

// readKeys sends what is pressed until ctx ends or nothing more can be read, which is as if q was pressed.
func readKeys(ctx context.Context, in io.Reader, keys chan<- topKey) {
	buf := make([]byte, 64)
	for {
		n, err := in.Read(buf)
		pressed := parseKeys(buf[:n])
		if err != nil {
			pressed = append(pressed, keyQuit)
		}
		for _, k := range pressed {
			select {
			case keys <- k:
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// longestKey is how many bytes the longest key has.
const longestKey = 4

// parseKeys finds the keys in what was read at once; what means nothing is left out.
func parseKeys(read []byte) (all []topKey) {
	for len(read) > 0 {
		skip := unknownKey(read)
		for n := min(longestKey, len(read)); n > 0; n-- {
			if k := topKeys[string(read[:n])]; k != keyNone {
				all, skip = append(all, k), n
				break
			}
		}
		read = read[skip:]
	}
	return all
}

// unknownKey is how many bytes to pass over: one, or a sequence of a terminal to its last byte.
func unknownKey(read []byte) int {
	if len(read) < 2 || read[0] != '\x1b' || read[1] != '[' && read[1] != 'O' {
		return 1
	}
	for i, b := range read[2:] {
		if b >= '@' && b <= '~' {
			return i + 3
		}
	}
	return len(read)
}
