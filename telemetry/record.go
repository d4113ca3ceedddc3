package telemetry

import (
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

// Record is what one line of the access log can tell: a request, or a connection of L4. Texts are not kept after Write.
type Record struct {
	Time           time.Time // the first byte came
	Method         []byte
	Path, Query    []byte
	Host           []byte
	Protocol       string
	Scheme         Scheme
	Status         int           // 0: not an HTTP request
	Duration       time.Duration // until the last byte left
	Upstream       time.Duration // until the upstream's head came; 0: it never did
	Peer           string        // address of the peer of the connection
	RemoteIP       []byte        // the client's own, where a trusted proxy tells it; nil: Peer
	UserAgent      []byte
	Referer        []byte
	Listener       string
	Route          string
	Cluster        string
	Endpoint       string
	Attempts       int
	QueuedAfter    time.Duration // from Time until it had to wait for its turn, or for an endpoint
	Queued         time.Duration // how long that lasted; 0: it did not have to
	BytesRead      int64
	BytesWritten   int64
	Flag           Flag
	Reason         error   // what Flag stands for this time; nil: the flag says it all
	Sampled        float64 // the share of records like this one that is written
	Slow           bool    // it lasted longer than the document's access_log.slow
	RequestID      []byte
	TraceID        []byte
	SpanID         []byte // of the request
	Revision       string
	TLSVersion     string
	ClientIdentity string
	Call           bool // of gRPC
	GRPC           bool // GRPCStatus is known
	GRPCStatus     int
}

// appendValue has what appends the value of each field.
var appendValue = [logfield.Count]func(dst []byte, r *Record, stamp *[19]byte) []byte{
	logfield.Time: func(d []byte, r *Record, stamp *[19]byte) []byte {
		d = append(append(d, '"'), stamp[:]...)
		ms := r.Time.Nanosecond() / 1e6
		return append(d, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z', '"')
	},
	logfield.Method:   func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Method) },
	logfield.Path:     func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Path) },
	logfield.Query:    func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Query) },
	logfield.Host:     func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Host) },
	logfield.Protocol: func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Protocol) },
	logfield.Status: func(d []byte, r *Record, _ *[19]byte) []byte {
		return strconv.AppendInt(d, int64(r.Status), 10)
	},
	logfield.DurationMS: func(d []byte, r *Record, _ *[19]byte) []byte { return appendMillis(d, r.Duration) },
	logfield.UpstreamMS: func(d []byte, r *Record, _ *[19]byte) []byte {
		if r.Upstream == 0 {
			return append(d, "null"...)
		}
		return appendMillis(d, r.Upstream)
	},
	logfield.RemoteIP: func(d []byte, r *Record, _ *[19]byte) []byte {
		if r.RemoteIP == nil {
			return appendString(d, r.Peer)
		}
		return appendText(d, r.RemoteIP)
	},
	logfield.UserAgent: func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.UserAgent) },
	logfield.Referer:   func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.Referer) },
	logfield.Listener:  func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Listener) },
	logfield.Route:     func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Route) },
	logfield.Cluster:   func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Cluster) },
	logfield.Upstream:  func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Endpoint) },
	logfield.Attempts: func(d []byte, r *Record, _ *[19]byte) []byte {
		return strconv.AppendInt(d, int64(r.Attempts), 10)
	},
	logfield.BytesRead: func(d []byte, r *Record, _ *[19]byte) []byte {
		return strconv.AppendInt(d, r.BytesRead, 10)
	},
	logfield.BytesWritten: func(d []byte, r *Record, _ *[19]byte) []byte {
		return strconv.AppendInt(d, r.BytesWritten, 10)
	},
	logfield.Flag:           func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Flag.String()) },
	logfield.RequestID:      func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.RequestID) },
	logfield.TraceID:        func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.TraceID) },
	logfield.SpanID:         func(d []byte, r *Record, _ *[19]byte) []byte { return appendText(d, r.SpanID) },
	logfield.Revision:       func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.Revision) },
	logfield.TLSVersion:     func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.TLSVersion) },
	logfield.ClientIdentity: func(d []byte, r *Record, _ *[19]byte) []byte { return appendString(d, r.ClientIdentity) },
	logfield.GRPCStatus: func(d []byte, r *Record, _ *[19]byte) []byte {
		if !r.GRPC {
			return append(d, "null"...)
		}
		return strconv.AppendInt(d, int64(r.GRPCStatus), 10)
	},
	logfield.Reason: func(d []byte, r *Record, _ *[19]byte) []byte {
		if r.Reason == nil {
			return append(d, `""`...)
		}
		return appendString(d, r.Reason.Error())
	},
	logfield.Sampled: func(d []byte, r *Record, _ *[19]byte) []byte {
		return strconv.AppendFloat(d, r.Sampled, 'g', -1, 64)
	},
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
		field, known := logfield.Named(name)
		if !known {
			continue
		}
		key := `,"` + name + `":`
		if len(f.fields) == 0 {
			key = `{"` + name + `":`
		}
		f.fields = append(f.fields, logField{key, appendValue[field]})
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
