package http2

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// finishRequest holds a request to RFC 9113 sections 8.3.1 and 8.5, and takes its target apart.
func (b *block) finishRequest() {
	h := &b.head
	if b.pseudo&sawMethod == 0 || !message.ValidToken(h.Method) {
		b.fail("request without a valid :method")
		return
	}
	if !b.checkHost() {
		return
	}
	if string(h.Method) == "CONNECT" {
		b.finishConnect()
		return
	}
	switch {
	case b.pseudo&sawScheme == 0 || !validScheme(h.Scheme):
		b.fail("request without a valid :scheme")
	case b.pseudo&sawPath == 0:
		b.fail("request without :path")
	case len(h.Authority) == 0:
		b.fail("request without :authority or host")
	default:
		b.splitTarget()
	}
}

// finishConnect judges CONNECT, which has an authority and nothing else.
func (b *block) finishConnect() {
	h := &b.head
	switch {
	case len(h.Authority) == 0:
		b.fail("CONNECT without an authority")
	case h.ContentLength >= 0:
		b.fail("CONNECT with content-length")
	case b.pseudo&(sawScheme|sawPath) != 0:
		b.fail("CONNECT with :scheme or :path")
	default:
		h.Target = h.Authority
	}
}

// checkHost holds the request to one authority.
func (b *block) checkHost() bool {
	switch b.head.ReconcileAuthority() {
	case message.HostRepeated:
		b.fail("host repeated")
	case message.HostMalformed:
		b.fail("host that is no host and port")
	case message.HostDiffers:
		b.fail("host that differs from :authority")
	case message.AuthorityMalformed:
		b.fail("authority that is no host and port")
	}
	return b.bad == ""
}

// splitTarget takes :path apart. What could not stand in an HTTP/1.1 request line is refused.
func (b *block) splitTarget() {
	switch {
	case len(b.head.Target) == 0:
		b.fail("empty :path")
	case !message.ValidTarget(b.head.Target):
		b.fail("byte in :path that no target has")
	case !b.head.SplitTarget():
		b.fail(":path that does not begin with a slash")
	}
}

// validScheme tells whether b is a scheme (RFC 3986 section 3.1).
func validScheme(b []byte) bool {
	if len(b) == 0 || (b[0]|0x20)-'a' > 25 {
		return false
	}
	for _, c := range b {
		if (c|0x20)-'a' > 25 && c-'0' > 9 && c != '+' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// finishResponse holds a response to RFC 9113 sections 8.1 and 8.3.2.
func (b *block) finishResponse() {
	h := &b.head
	switch {
	case b.pseudo&sawStatus == 0:
		b.fail("response without :status")
	case h.Status == 101:
		b.fail("status 101, which HTTP/2 does not have") // section 8.6
	case h.Status < 200 && b.end:
		b.fail("interim response that ends the stream")
	case (h.Status < 200 || h.Status == 204) && h.ContentLength > 0:
		b.fail("content-length in a response that has no body") // RFC 9110 section 8.6
	}
}

// JoinCookies appends the cookie fields of h as one HTTP/1.1 line. HTTP/2 may split a cookie into several fields,
// which HTTP/1.1 may not (RFC 9113 section 8.2.3). Without cookies dst is returned as it is.
func JoinCookies(dst []byte, h *message.Head) []byte {
	if !h.Present.Has(message.Cookie) {
		return dst
	}
	first := true
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != message.Cookie || f.Hop {
			continue
		}
		if first {
			dst = append(dst, "cookie: "...)
		} else {
			dst = append(dst, "; "...)
		}
		first = false
		dst = append(dst, h.Value(f)...)
	}
	if first {
		return dst
	}
	return append(dst, '\r', '\n')
}
