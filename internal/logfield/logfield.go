// Package logfield names the fields of the access log: the document chooses among them, and telemetry writes them.
//
// # Decisions
//
// The names are in a package of their own, below the document and telemetry. Neither of the two imports the other, and
// a list in each of them could come to differ.
package logfield

// A Field is one field of the access log. The constants are in the default order.
type Field uint8

// The fields.
const (
	Time Field = iota
	Method
	Path
	Query
	Host
	Protocol
	Status
	DurationMS
	UpstreamMS
	RemoteIP
	UserAgent
	Referer
	Listener
	Route
	Cluster
	Upstream
	Attempts
	BytesRead
	BytesWritten
	Flag
	RequestID
	TraceID
	Revision
	TLSVersion
	ClientIdentity
	GRPCStatus
	Reason
	Sampled
	SpanID

	Count // how many there are
)

var names = [Count]string{
	Time:           "time",
	Method:         "method",
	Path:           "path",
	Query:          "query",
	Host:           "host",
	Protocol:       "protocol",
	Status:         "status",
	DurationMS:     "duration_ms",
	UpstreamMS:     "upstream_ms",
	RemoteIP:       "remote_ip",
	UserAgent:      "user_agent",
	Referer:        "referer",
	Listener:       "listener",
	Route:          "route",
	Cluster:        "cluster",
	Upstream:       "upstream",
	Attempts:       "attempts",
	BytesRead:      "bytes_read",
	BytesWritten:   "bytes_written",
	Flag:           "flag",
	RequestID:      "request_id",
	TraceID:        "trace_id",
	Revision:       "revision",
	TLSVersion:     "tls_version",
	ClientIdentity: "client_identity",
	GRPCStatus:     "grpc_status",
	Reason:         "reason",
	Sampled:        "sampled",
	SpanID:         "span_id",
}

// Names returns all names in the default order. The caller owns the slice.
func Names() []string { return append([]string(nil), names[:]...) }

// Named returns the field of a name.
func Named(name string) (Field, bool) {
	for f := range Count {
		if names[f] == name {
			return f, true
		}
	}
	return 0, false
}
