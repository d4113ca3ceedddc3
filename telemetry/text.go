package telemetry

import (
	"encoding/binary"
	"unicode/utf8"
)

// maxText bounds one text in a line, in bytes.
const maxText = 4 << 10

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	if len(s) > maxText {
		s = s[:maxText]
	}
	dst = append(dst, '"')
	at := len(dst)
	dst = append(dst, s...)
	if !plain(dst[at:]) {
		return appendEscaped(dst[:at], []byte(s))
	}
	return append(dst, '"')
}

// appendText appends b as a JSON string. What is no UTF-8 becomes U+FFFD, what is too long is cut.
func appendText(dst, b []byte) []byte {
	if len(b) > maxText {
		b = b[:maxText]
	}
	dst = append(dst, '"')
	if !plain(b) {
		return appendEscaped(dst, b)
	}
	dst = append(dst, b...)
	return append(dst, '"')
}

// plain tells, eight bytes at a time, that all of b is ASCII that JSON takes as it is. Nearly every text of a request
// is.
func plain(b []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		quote, slash := x^ones*'"', x^ones*'\\'
		// A byte below 0x20, or one that has become zero, borrows from its high bit. The rest of the word may then be
		// judged wrongly, and only ever as not plain.
		if (x|(x-ones*0x20)|(quote-ones)|(slash-ones))&high != 0 {
			return plainSlow(b)
		}
		b = b[8:]
	}
	return plainSlow(b)
}

func plainSlow(b []byte) bool {
	for _, c := range b {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// appendEscaped appends b and the closing quote.
func appendEscaped(dst, b []byte) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := 0; i < len(b); {
		c := b[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRune(b[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(dst, b[from:i]...)
			dst = append(dst, "\ufffd"...)
		} else {
			dst = append(dst, b[from:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			default:
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
		}
		i++
		from = i
	}
	dst = append(dst, b[from:]...)
	return append(dst, '"')
}
