package telemetry

// The label values of the hot path are small integers. They index arrays of counters, so that recording needs no map,
// no hash and no string.

// Method is an HTTP request method as a label. Methods outside the list become
// MethodOther, because a client chooses the method and could otherwise make
// series without end.
type Method uint8

// The methods that the conventions of OpenTelemetry name.
const (
	MethodOther Method = iota
	MethodGet
	MethodHead
	MethodPost
	MethodPut
	MethodDelete
	MethodConnect
	MethodOptions
	MethodTrace
	MethodPatch
	numMethods
)

var methodNames = [numMethods]string{
	"_OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
}

// String is the value of the attribute http.request.method.
func (m Method) String() string {
	if m < numMethods {
		return methodNames[m]
	}
	return methodNames[MethodOther]
}

// ParseMethod finds the method of a request line. Methods are case-sensitive
// (RFC 9110 section 9.1): "get" is MethodOther. It does not allocate.
func ParseMethod(b []byte) Method {
	switch string(b) {
	case "GET":
		return MethodGet
	case "HEAD":
		return MethodHead
	case "POST":
		return MethodPost
	case "PUT":
		return MethodPut
	case "DELETE":
		return MethodDelete
	case "CONNECT":
		return MethodConnect
	case "OPTIONS":
		return MethodOptions
	case "TRACE":
		return MethodTrace
	case "PATCH":
		return MethodPatch
	}
	return MethodOther
}

// Scheme is what the client spoke to us: http, or https under TLS.
type Scheme uint8

// The schemes.
const (
	SchemeHTTP Scheme = iota
	SchemeHTTPS
	numSchemes
)

// String is the value of the attribute url.scheme.
func (s Scheme) String() string {
	if s == SchemeHTTPS {
		return "https"
	}
	return "http"
}

// Plane tells which data plane a listener belongs to.
type Plane uint8

// The planes.
const (
	L4 Plane = iota
	L7
	numPlanes
)

// String is the value of the attribute gateway.plane.
func (p Plane) String() string {
	if p == L7 {
		return "l7"
	}
	return "l4"
}

// DiscoveryClass sorts what goes wrong between us and the source of endpoints
// and documents. It is the attribute error.type of gateway.discovery.errors.
type DiscoveryClass uint8

// The classes of discovery errors.
const (
	// DiscoveryACL: the token may not read what we ask for, or the response was filtered.
	DiscoveryACL DiscoveryClass = iota
	// DiscoveryLimit: we were told to slow down (429), or ran into a limit of our own.
	DiscoveryLimit
	// DiscoveryServer: a response of 5xx, or one that makes no sense.
	DiscoveryServer
	// DiscoveryTransport: no response: refused, reset, timed out, TLS.
	DiscoveryTransport
	// DiscoveryQuery: it cannot be asked like this, as with a filter that Consul does not understand.
	DiscoveryQuery
	numDiscoveryClasses
)

var discoveryClassNames = [numDiscoveryClasses]string{"acl", "limit", "server", "transport", "query"}

// String is the value of the attribute error.type.
func (c DiscoveryClass) String() string {
	if c < numDiscoveryClasses {
		return discoveryClassNames[c]
	}
	return "_OTHER"
}
