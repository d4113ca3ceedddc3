package message

// ID names a field that some rule of the gateway looks at; Other is every other field.
type ID uint8

const (
	Other ID = iota
	Accept
	Authorization
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
	Trailer
	TransferEncoding
	Upgrade
	UserAgent
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
	Accept: "accept", Authorization: "authorization", Connection: "connection", ContentEncoding: "content-encoding",
	ContentLength: "content-length", ContentRange: "content-range", ContentType: "content-type", Cookie: "cookie", Date: "date",
	Expect: "expect", GRPCMessage: "grpc-message", GRPCStatus: "grpc-status", GRPCTimeout: "grpc-timeout", HTTP2Settings: "http2-settings",
	Host: "host", KeepAlive: "keep-alive", Origin: "origin", ProxyAuthenticate: "proxy-authenticate", ProxyAuthorization: "proxy-authorization",
	ProxyConnection: "proxy-connection", Referer: "referer", RetryAfter: "retry-after", Server: "server", SetCookie: "set-cookie", TE: "te",
	Traceparent: "traceparent", Trailer: "trailer", TransferEncoding: "transfer-encoding", Upgrade: "upgrade", UserAgent: "user-agent",
	XForwardedClientCert: "x-forwarded-client-cert", XForwardedFor: "x-forwarded-for", XForwardedHost: "x-forwarded-host",
	XForwardedProto: "x-forwarded-proto", XRequestID: "x-request-id",
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

// byLength lists, for every length, the IDs whose names have it: Lookup compares with at most a few.
var byLength = func() (t [24][]ID) {
	for id := Other + 1; id < idCount; id++ {
		n := len(names[id])
		t[n] = append(t[n], id)
	}
	return t
}()

// Lookup classifies a field name, in any case.
func Lookup(name []byte) ID {
	if len(name) >= len(byLength) {
		return Other
	}
	for _, id := range byLength[len(name)] {
		if EqualFold(name, names[id]) {
			return id
		}
	}
	return Other
}

// EqualFold tells whether b is lower (which is lower case already) when the case of ASCII letters does not count.
func EqualFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range b {
		c := b[i]
		if c-'A' < 26 {
			c |= 0x20
		}
		if c != lower[i] {
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

// ValidValue tells whether b may be a field value in every version: no control bytes but the tab (RFC 9110 section 5.5); bytes over
// 0x7f pass as they are. Space around the value is the codec's business.
func ValidValue(b []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		// Below 0x20: subtracting borrows into the high bit of a byte that had none. Equal to 0x7f: xor makes it zero, and then the same.
		del := x ^ ones*0x7f
		if ((x-ones*0x20)&^x|(del-ones)&^del)&high != 0 && !validSlow(b[:8]) {
			return false
		}
		b = b[8:]
	}
	return validSlow(b)
}

func validSlow(b []byte) bool {
	for _, c := range b {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
