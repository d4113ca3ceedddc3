package message

import "bytes"

// ValidTarget tells whether b may stand in a request line: at least one byte, no space, no control byte, no fragment
// (RFC 9112 section 3.2). Bytes over 0x7f pass as they are, as they do in nginx and Envoy.
func ValidTarget(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return len(b) > 0
}

// SplitTarget takes the parts of a valid target in origin-form, "/path?query", or in asterisk-form, which only OPTIONS
// has (RFC 9112 sections 3.2.1 and 3.2.4). It reports whether the target has one of these forms.
func (h *Head) SplitTarget() bool {
	t := h.Target
	if t[0] != '/' && (len(t) != 1 || t[0] != '*' || string(h.Method) != "OPTIONS") {
		return false
	}
	h.SplitPath(t)
	return true
}

// SplitPath takes "path?query" apart. Query is nil where there is no question mark.
func (h *Head) SplitPath(b []byte) {
	h.Path, h.Query = b, nil
	if i := bytes.IndexByte(h.Path, '?'); i >= 0 {
		h.Path, h.Query = h.Path[:i], h.Path[i+1:]
	}
}
