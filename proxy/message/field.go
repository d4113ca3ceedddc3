package message

import (
	"encoding/binary"
	"math/bits"
)

// ID names a field that some rule of the gateway looks at; Other is every other field.
type ID uint8

const (
	Other ID = iota
	Accept
	Authorization
	B3
	Connection
	ContentEncoding
	ContentLength
	ContentRange
	ContentType
	Cookie
	Date
	Expect
	GRPCMessage
	GRPCStatus
	GRPCTimeout
	HTTP2Settings
	Host
	KeepAlive
	Origin
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	Referer
	RetryAfter
	Server
	SetCookie
	TE
	Traceparent
	Tracestate
	Trailer
	TransferEncoding
	Upgrade
	UserAgent
	XB3Flags
	XB3ParentSpanID
	XB3Sampled
	XB3SpanID
	XB3TraceID
	XForwardedClientCert
	XForwardedFor
	XForwardedHost
	XForwardedProto
	XRequestID
	idCount
)

// Set is a set of field IDs.
type Set uint64

// Of makes a set.
func Of(ids ...ID) Set {
	var s Set
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

// Has tells whether id is in s.
func (s Set) Has(id ID) bool { return s&(1<<id) != 0 }

// names holds the lower-case name of each ID.
var names = [idCount]string{
	Accept: "accept", Authorization: "authorization", B3: "b3", Connection: "connection",
	ContentEncoding: "content-encoding",
	ContentLength:   "content-length", ContentRange: "content-range", ContentType: "content-type", Cookie: "cookie",
	Date: "date", Expect: "expect", GRPCMessage: "grpc-message", GRPCStatus: "grpc-status",
	GRPCTimeout: "grpc-timeout", HTTP2Settings: "http2-settings", Host: "host", KeepAlive: "keep-alive",
	Origin: "origin", ProxyAuthenticate: "proxy-authenticate", ProxyAuthorization: "proxy-authorization",
	ProxyConnection: "proxy-connection", Referer: "referer", RetryAfter: "retry-after", Server: "server",
	SetCookie: "set-cookie", TE: "te", Traceparent: "traceparent", Tracestate: "tracestate",
	Trailer: "trailer", TransferEncoding: "transfer-encoding", Upgrade: "upgrade", UserAgent: "user-agent",
	XB3Flags: "x-b3-flags", XB3ParentSpanID: "x-b3-parentspanid", XB3Sampled: "x-b3-sampled",
	XB3SpanID: "x-b3-spanid", XB3TraceID: "x-b3-traceid",
	XForwardedClientCert: "x-forwarded-client-cert", XForwardedFor: "x-forwarded-for",
	XForwardedHost: "x-forwarded-host", XForwardedProto: "x-forwarded-proto", XRequestID: "x-request-id",
}

// Name is the lower-case field name of id, "" for Other.
func (id ID) Name() string { return names[id] }

// canonical holds the names as HTTP/1.1 senders like to write them: words begin with capitals.
var canonical = func() (t [idCount]string) {
	for id, name := range names {
		b := []byte(name)
		for i := range b {
			if (i == 0 || b[i-1] == '-') && b[i]-'a' < 26 {
				b[i] -= 0x20
			}
		}
		t[id] = string(b)
	}
	return t
}()

// Canonical is the field name of id with capitals, for HTTP/1.1.
func (id ID) Canonical() string { return canonical[id] }

// places holds each ID at the place of its name, so that Lookup compares with one name at most. A test holds that no
// two names share one.
var places = func() (t [256]ID) {
	for id := Other + 1; id < idCount; id++ {
		t[place([]byte(names[id]))] = id
	}
	return t
}()

// place is made of the length, the ends and the middle of a name, in any case. The factors are the smallest that keep
// the known names apart.
func place(name []byte) uint8 {
	n := len(name)
	return uint8(n) + (name[0] | 0x20) + 8*(name[n/2]|0x20) + 2*(name[n-1]|0x20)
}

// Lookup classifies a field name, in any case.
func Lookup(name []byte) ID {
	if len(name) == 0 {
		return Other
	}
	id := places[place(name)]
	if EqualFold(name, names[id]) {
		return id
	}
	return Other
}

// EqualSpelling is EqualFold for names that an app may take for the same. Many make an underscore of each hyphen, as
// CGI does (RFC 3875 section 4.1.18).
func EqualSpelling(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, x := range name {
		y := lower[i]
		if x-'A' < 26 {
			x |= 0x20
		}
		if x != y && ((x != '_' && x != '-') || (y != '_' && y != '-')) {
			return false
		}
	}
	return true
}

// EqualFold tells whether b is lower (which is lower case already) when the case of ASCII letters does not count.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		if c := b[i]; c != lower[i] && (c|0x20 != lower[i] || c-'A' >= 26) {
			return false
		}
	}
	return true
}

// token marks the bytes of a token (RFC 9110 section 5.6.2).
var token = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-0x20] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

// IsTokenByte tells whether c may stand in a token.
func IsTokenByte(c byte) bool { return token[c] }

// ValidToken tells whether b is a token: a field name, a method.
func ValidToken(b []byte) bool {
	if len(b) == 0 {
		return false
	}
	for _, c := range b {
		if !token[c] {
			return false
		}
	}
	return true
}

// ValidLowerName tells whether b is a field name as HTTP/2 writes it: a token without upper-case letters (RFC 9113
// section 8.2.1).
func ValidLowerName(b []byte) bool {
	for _, c := range b {
		if !token[c] || c-'A' < 26 {
			return false
		}
	}
	return len(b) > 0
}

// ValidValue tells whether b may be a field value in every version: no control bytes but the tab (RFC 9110 section
// 5.5). Bytes over 0x7f pass as they are. Space around the value is for the codec to see to.
func ValidValue(b []byte) bool { return ValueEnd(b) == len(b) }

// Padded tells whether a value begins or ends with a space or a tab, which HTTP/2 does not allow (RFC 9113 section
// 8.2.1).
func Padded(b []byte) bool { return len(b) > 0 && (isSpace(b[0]) || isSpace(b[len(b)-1])) }

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// ValueEnd is how many bytes of b come before the first one that no field value may hold.
func ValueEnd(b []byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for len(b)-i >= 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		// Below 0x20: subtracting borrows into the high bit of a byte that had none. Equal to 0x7f: xor makes it zero,
		// and then the same. Behind a byte that is found so there may be false finds, but the first one is true.
		del := x ^ ones*0x7f
		found := ((x-ones*0x20)&^x | (del-ones)&^del) & high
		if found == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(found) / 8
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && (b[i] >= 0x20 && b[i] != 0x7f || b[i] == '\t') {
		i++
	}
	return i
}
