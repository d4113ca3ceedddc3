package message

import "bytes"

// hostByte marks what may stand in a host outside brackets: unreserved, percent, the sub-delims but the comma (a list is no host).
var hostByte = func() (t [256]bool) {
	for _, c := range "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%!$&'()*+;=" {
		t[c] = true
	}
	return t
}()

// maxHost is the longest host name, with a port.
const maxHost = 255 + 6

// ValidHost tells whether b is uri-host [":" port] (RFC 9110 section 7.2) with a host in it.
func ValidHost(b []byte) bool {
	if len(b) == 0 || len(b) > maxHost {
		return false
	}
	n := hostLength(b)
	if n == 0 {
		return false
	}
	port := b[n:]
	if len(port) == 0 {
		return true
	}
	if port[0] != ':' || len(port) > len(":65535") {
		return false
	}
	for _, c := range port[1:] {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// hostLength is how many bytes of b are the host, 0 when there is none.
func hostLength(b []byte) int {
	if b[0] != '[' {
		n := 0
		for n < len(b) && hostByte[b[n]] {
			n++
		}
		return n
	}
	end := bytes.IndexByte(b, ']')
	if end < len("::")+1 {
		return 0
	}
	for _, c := range b[1:end] {
		if c != ':' && c != '.' && c-'0' > 9 && (c|0x20)-'a' > 5 {
			return 0
		}
	}
	return end + 1
}
