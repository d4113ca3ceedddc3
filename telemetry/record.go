package telemetry

import (
	"strconv"
	"time"
)

// Record is what one line of the access log can tell: a request, or a connection of L4. Texts are not kept after Write.
type Record struct {
	Time           time.Time // the first byte came
	Method         []byte
	Path, Query    []byte
	Host           []byte
	Protocol       string
	Status         int           // 0: not an HTTP request
	Duration       time.Duration // until the last byte left
	Upstream       time.Duration // until the upstream's head came; 0: it never did
	Peer           string        // address of the other end of the connection
	RemoteIP       []byte        // the client's own, where a trusted proxy tells it; nil: Peer
	UserAgent      []byte
	Referer        []byte
	Listener       string
	Route          string
	Cluster        string
	Endpoint       string
	Attempts       int
	BytesRead      int64
	BytesWritten   int64
	Flag           Flag
	RequestID      []byte
	TraceID        []byte
	Revision       string
	TLSVersion     string
	ClientIdentity string
	GRPC           bool // GRPCStatus is known
	GRPCStatus     int
}

// logFields lists every field with what appends its value.
var logFields = []struct {
	name   string
	append func(dst []byte, r *Record, stamp *[19]byte) []byte
}{
	{"time", func(d []byte, r *Record, stamp *[19]byte) []byte {
		d = append(append(d, '"'), stamp[:]...)
		ms := r.Time.Nanosecond() / 1e6
		return append(d, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z', '"')
	}},
	{"method", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Method) }},
	{"path", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Path) }},
	{"query", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Query) }},
	{"host", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Host) }},
	{"protocol", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Protocol) }},
	{"status", func(d []byte, r *Record, _ *[19]byte) []byte { return strconv.AppendInt(d, int64(r.Status), 10) }},
	{"duration_ms", func(d []byte, r *Record, _ *[19]byte) []byte { return appendMillis(d, r.Duration) }},
	{"upstream_ms", func(d []byte, r *Record, _ *[19]byte) []byte {
		if r.Upstream == 0 {
			return append(d, "null"...)
		}
		return appendMillis(d, r.Upstream)
	}},
	{"remote_ip", func(d []byte, r *Record, _ *[19]byte) []byte {
		if r.RemoteIP == nil {
			return appendString(d, r.Peer)
		}
		return appendText(d, r.RemoteIP)
	}},
	{"user_agent", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.UserAgent) }},
	{"referer", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Referer) }},
	{"listener", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Listener) }},
	{"route", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Route) }},
	{"cluster", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Cluster) }},
	{"upstream", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Endpoint) }},
	{"attempts", func(d []byte, r *Record, _ *[19]byte) []byte { return strconv.AppendInt(d, int64(r.Attempts), 10) }},
	{"bytes_read", func(d []byte, r *Record, _ *[19]byte) []byte { return strconv.AppendInt(d, r.BytesRead, 10) }},
	{"bytes_written", func(d []byte, r *Record, _ *[19]byte) []byte { return strconv.AppendInt(d, r.BytesWritten, 10) }},
	{"flag", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Flag.String()) }},
	{"request_id", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.RequestID) }},
	{"trace_id", func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.TraceID) }},
	{"revision", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Revision) }},
	{"tls_version", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.TLSVersion) }},
	{"client_identity", func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.ClientIdentity) }},
	{"grpc_status", func(d []byte, r *Record, _ *[19]byte) []byte {
		if !r.GRPC {
			return append(d, "null"...)
		}
		return strconv.AppendInt(d, int64(r.GRPCStatus), 10)
	}},
}

// LogFormat is a choice of fields in an order.
type LogFormat struct {
	fields []logField
}

type logField struct {
	key    string // `"name":` with what stands in front of it
	append func(dst []byte, r *Record, stamp *[19]byte) []byte
}

// NewLogFormat compiles a list of field names. Unknown ones are left out: the document was validated before.
func NewLogFormat(names []string) *LogFormat {
	f := &LogFormat{}
	for _, name := range names {
		for i := range logFields {
			if logFields[i].name == name {
				key := `,"` + name + `":`
				if len(f.fields) == 0 {
					key = `{"` + name + `":`
				}
				f.fields = append(f.fields, logField{key, logFields[i].append})
			}
		}
	}
	return f
}

func (f *LogFormat) append(dst []byte, r *Record, stamp *[19]byte) []byte {
	for i := range f.fields {
		dst = append(dst, f.fields[i].key...)
		dst = f.fields[i].append(dst, r, stamp)
	}
	return append(dst, "}\n"...)
}

// appendMillis appends d in milliseconds with three decimals.
func appendMillis(dst []byte, d time.Duration) []byte {
	us := d.Microseconds()
	dst = strconv.AppendInt(dst, us/1000, 10)
	us %= 1000
	return append(dst, '.', byte('0'+us/100), byte('0'+us/10%10), byte('0'+us%10))
}
