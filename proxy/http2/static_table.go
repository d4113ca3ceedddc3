package http2

import "github.com/fabian4/gateway-homebrew-go/proxy/message"

// staticTable is RFC 7541 appendix A; the first entry is index 1.
var staticTable = [...]struct{ name, value string }{
	{":authority", ""}, {":method", "GET"}, {":method", "POST"}, {":path", "/"}, {":path", "/index.html"},
	{":scheme", "http"}, {":scheme", "https"}, {":status", "200"}, {":status", "204"}, {":status", "206"},
	{":status", "304"}, {":status", "400"}, {":status", "404"}, {":status", "500"}, {"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"}, {"accept-language", ""}, {"accept-ranges", ""}, {"accept", ""},
	{"access-control-allow-origin", ""}, {"age", ""}, {"allow", ""}, {"authorization", ""}, {"cache-control", ""},
	{"content-disposition", ""}, {"content-encoding", ""}, {"content-language", ""}, {"content-length", ""},
	{"content-location", ""}, {"content-range", ""}, {"content-type", ""}, {"cookie", ""}, {"date", ""}, {"etag", ""},
	{"expect", ""}, {"expires", ""}, {"from", ""}, {"host", ""}, {"if-match", ""}, {"if-modified-since", ""},
	{"if-none-match", ""}, {"if-range", ""}, {"if-unmodified-since", ""}, {"last-modified", ""}, {"link", ""},
	{"location", ""}, {"max-forwards", ""}, {"proxy-authenticate", ""}, {"proxy-authorization", ""}, {"range", ""},
	{"referer", ""}, {"refresh", ""}, {"retry-after", ""}, {"server", ""}, {"set-cookie", ""},
	{"strict-transport-security", ""}, {"transfer-encoding", ""}, {"user-agent", ""}, {"vary", ""}, {"via", ""},
	{"www-authenticate", ""},
}

const staticLen = uint64(len(staticTable))

// staticNames is the first static index of each name.
var staticNames = func() map[string]uint8 {
	m := make(map[string]uint8, len(staticTable))
	for i := len(staticTable) - 1; i >= 0; i-- {
		m[staticTable[i].name] = uint8(i + 1)
	}
	return m
}()

// staticOf is the same for the names that have an ID.
var staticOf = func() (t [64]uint8) {
	for name, first := range staticNames {
		if id := message.Lookup([]byte(name)); id != message.Other {
			t[id] = first
		}
	}
	return t
}()

// The same for the pseudo-header fields.
const (
	staticAuthority = 1
	staticMethod    = 2
	staticPath      = 4
	staticScheme    = 6
	staticStatus    = 8
)

// indexing is what the encoder does with a field that is in no table.
type indexing uint8

const (
	indexed      indexing = iota // put it into the dynamic table: it will come again
	notIndexed                   // as a literal: it is another one each time
	neverIndexed                 // as a literal that stays one on every hop: a secret (RFC 7541 section 7.1.3)
)

// indexingOf says how a known field is encoded. A value that differs from request to request would only push others
// out of the table. Secrets are kept out of a table that requests of many clients share.
var indexingOf = func() (t [64]indexing) {
	for _, id := range []message.ID{
		message.ContentLength, message.ContentRange, message.Date, message.GRPCMessage, message.GRPCTimeout,
		message.Referer,
		message.B3, message.RetryAfter, message.Traceparent, message.Tracestate, message.XB3ParentSpanID,
		message.XB3SpanID, message.XB3TraceID, message.XForwardedFor, message.XRequestID,
		message.XForwardedClientCert,
	} {
		t[id] = notIndexed
	}
	for _, id := range []message.ID{message.Authorization, message.ProxyAuthorization, message.Cookie,
		message.SetCookie} {
		t[id] = neverIndexed
	}
	return t
}()

// notIndexedNames are the same for names that have no ID.
var notIndexedNames = map[string]bool{
	"age": true, "etag": true, "expires": true, "if-match": true, "if-modified-since": true, "if-none-match": true,
	"if-range": true, "if-unmodified-since": true, "last-modified": true, "link": true, "location": true,
	"range": true, "x-real-ip": true, "forwarded": true, "grpc-trace-bin": true,
	"x-amzn-trace-id": true, "content-location": true,
	"content-disposition": true,
}
