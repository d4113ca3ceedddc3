package http1

import (
	"bytes"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Limits bound what is read. Every field must be set; [DefaultLimits] has the usual values.
type Limits struct {
	HeadBytes int // request or response head with its line ends; also a trailer section
	LineBytes int // request line
	Fields    int // fields in a head or trailer section
	ExtBytes  int // chunk extensions in one body
}

// DefaultLimits are the limits of the contract, with its default for the size of a head.
func DefaultLimits() Limits {
	return Limits{HeadBytes: 64 << 10, LineBytes: 16 << 10, Fields: 200, ExtBytes: 16 << 10}
}

// headEnd looks for the empty line that ends a head in b, going on at *scanned, where the last call stopped. It returns
// the length of the head with that line, or 0 while the head is incomplete. A line that ends in a bare LF is refused as
// soon as it is seen.
func headEnd(b []byte, scanned *int) (int, error) {
	for at := *scanned; ; at++ {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			*scanned = len(b)
			return 0, nil
		}
		at += i
		if at == 0 || b[at-1] != '\r' {
			return 0, ErrBareLF
		}
		if at == 1 || b[at-2] == '\n' {
			return at + 1, nil
		}
	}
}

// parseFields records the field lines of h.Buf from at up to the empty line that ends it.
func parseFields(h *message.Head, at int, lim *Limits) error {
	b := h.Buf
	for {
		c := b[at]
		if c == '\r' {
			if at+2 != len(b) {
				return ErrFieldName // a line that begins with CR but is not the end
			}
			return nil
		}
		if c == ' ' || c == '\t' {
			return ErrFold
		}
		if len(h.Fields) >= lim.Fields {
			return ErrFieldCount
		}
		nameEnd := at
		for message.IsTokenByte(b[nameEnd]) {
			nameEnd++
		}
		if nameEnd == at || b[nameEnd] != ':' {
			return ErrFieldName
		}
		valueStart := nameEnd + 1
		for b[valueStart] == ' ' || b[valueStart] == '\t' {
			valueStart++
		}
		lineEnd := valueStart + message.ValueEnd(b[valueStart:])
		if b[lineEnd] != '\r' || b[lineEnd+1] != '\n' {
			return ErrFieldValue
		}
		valueEnd := lineEnd
		for valueEnd > valueStart && (b[valueEnd-1] == ' ' || b[valueEnd-1] == '\t') {
			valueEnd--
		}
		end := lineEnd + 2
		h.Add(at, nameEnd, valueStart, valueEnd, end)
		at = end
	}
}
