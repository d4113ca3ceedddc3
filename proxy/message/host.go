package message

import "bytes"

// hostByte marks what may stand in a host outside brackets: unreserved, percent, the sub-delims but the comma (a list
// is no host).
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

// AuthorityProblem is what is wrong with what a request says about its host.
type AuthorityProblem uint8

const (
	AuthorityValid     AuthorityProblem = iota
	HostRepeated                        // more than one Host field
	HostMalformed                       // a Host field that is no host and port
	HostDiffers                         // a Host field that is not the authority that the target or :authority names
	AuthorityMalformed                  // an authority that is no host and port
)

// ReconcileAuthority holds a request to one authority. h.Authority is what the target or :authority names, nil when
// neither does. Then the Host field stands in for it (RFC 9112 section 3.2.2, RFC 9113 section 8.3.1). A Host field may
// repeat the authority, but never differs from it. The exception is an HTTP/1.1 CONNECT, whose clients often leave the
// port out of Host. Whether there must be a Host field or an authority is for the codec to see to.
func (h *Head) ReconcileAuthority() AuthorityProblem {
	connect := h.Version != HTTP2 && string(h.Method) == "CONNECT"
	if h.Present.Has(Host) {
		host, n := h.first(Host)
		switch {
		case n > 1:
			return HostRepeated
		case !ValidHost(host):
			return HostMalformed
		case connect:
		case h.Authority == nil:
			h.Authority = host
			return AuthorityValid // it was just looked at
		case !bytes.EqualFold(h.Authority, host):
			return HostDiffers
		}
	}
	if len(h.Authority) > 0 && !connect && !ValidHost(h.Authority) {
		return AuthorityMalformed
	}
	return AuthorityValid
}
