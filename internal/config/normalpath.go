package config

import "bytes"

// NormalPath returns path as it is matched: percent-encoded unreserved characters decoded, dot segments removed (RFC
// 3986 sections 6.2.2 and 5.2.4). Encoded slashes, repeated slashes and backslashes stay as they are. A path that is
// normal already is returned itself. Another one is built in scratch, which is returned for the next use. scratch may
// be nil. ok is false when the path climbs above the root or ends inside an encoding. The document's prefixes and the
// paths of requests are both normalised here, or a prefix would not match what it was written for.
func NormalPath(path, scratch []byte) (normal, next []byte, ok bool) {
	if isNormal(path) {
		return path, scratch, true
	}
	out := append(scratch[:0], '/')
	for rest := path[1:]; ; {
		seg := rest
		i := bytes.IndexByte(rest, '/')
		if i >= 0 {
			seg, rest = rest[:i], rest[i+1:]
		}
		start := len(out)
		if out, ok = appendDecoded(out, seg); !ok {
			return nil, out, false
		}
		switch string(out[start:]) {
		case ".":
			out = out[:start]
			if i < 0 {
				return out, out, true
			}
			continue
		case "..":
			out = out[:start]
			if start == 1 {
				return nil, out, false
			}
			out = out[:bytes.LastIndexByte(out[:start-1], '/')+1]
			if i < 0 {
				return out, out, true
			}
			continue
		}
		if i < 0 {
			return out, out, true
		}
		out = append(out, '/')
	}
}

// StaysBelow tells whether rest, which follows a prefix, leads to nothing outside of that prefix.
func StaysBelow(rest []byte) bool {
	if len(rest) == 0 {
		return true
	}
	if rest[0] != '/' {
		return false
	}
	var room [256]byte
	_, _, ok := NormalPath(rest, room[:0])
	return ok
}

// KeepsSegments tells whether path, which begins with a slash, has no dot segment that leads elsewhere, and no encoding
// that is cut off.
func KeepsSegments(path []byte) bool {
	var room [256]byte
	normal, _, ok := NormalPath(path, room[:0])
	return ok && bytes.Count(normal, slash) == bytes.Count(path, slash)
}

var slash = []byte("/")

// isNormal tells in one pass that nothing in path is encoded and no segment begins with a dot.
func isNormal(path []byte) bool {
	prev := byte(0)
	for _, c := range path {
		if c == '%' || c == '.' && prev == '/' {
			return false
		}
		prev = c
	}
	return true
}

// appendDecoded appends a segment with its encoded unreserved characters decoded.
func appendDecoded(out, seg []byte) ([]byte, bool) {
	for i := 0; i < len(seg); i++ {
		if seg[i] != '%' {
			out = append(out, seg[i])
			continue
		}
		if i+2 >= len(seg) {
			return out, false
		}
		hi, lo := Unhex(seg[i+1]), Unhex(seg[i+2])
		if hi > 15 || lo > 15 {
			return out, false
		}
		if c := hi<<4 | lo; isUnreserved(c) {
			out = append(out, c)
		} else {
			out = append(out, seg[i:i+3]...)
		}
		i += 2
	}
	return out, true
}

func isUnreserved(c byte) bool {
	return c-'0' < 10 || (c|0x20)-'a' < 26 || c == '-' || c == '.' || c == '_' || c == '~'
}

// Unhex returns the value of a hex digit, 255 for any other byte.
func Unhex(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case (c|0x20)-'a' < 6:
		return (c | 0x20) - 'a' + 10
	}
	return 255
}
