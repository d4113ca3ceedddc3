package telemetry

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// RecordCall counts a gRPC call that ended with the status code after d. It goes to http.server.request.duration like
// the request that it is (POST, 200), with rpc.grpc.status_code on top. Once a code and scheme were seen, it neither
// allocates nor locks.
func (r *Route) RecordCall(code int, s Scheme, d time.Duration) {
	if s >= numSchemes {
		s = SchemeHTTP
	}
	b := r.calls[s].Load()
	if b == nil || !b.record(callStatus(code), d) {
		r.recordFirstCall(code, s, d)
	}
}

func (r *Route) recordFirstCall(code int, s Scheme, d time.Duration) {
	if r != r.reg.overflowRoute && !r.reg.takeSeries() {
		r.reg.overflowRoute.RecordCall(code, s, d)
		return
	}
	r.calls[s].CompareAndSwap(nil, new(byStatus))
	b := r.calls[s].Load()
	b.grow(callStatus(code))
	b.record(callStatus(code), d)
}

// maxCode is the highest code that gRPC defines; what a peer makes up beyond it shares one series with UNKNOWN.
const (
	maxCode     = 16
	unknownCode = 2
)

// callStatus is where byStatus keeps a code.
func callStatus(code int) int {
	if code < 0 || code > maxCode {
		code = unknownCode
	}
	return minStatus + code
}

// eachCall calls f for every series of gRPC calls.
func (r *Route) eachCall(f func(code int, s Scheme, h *histogram)) {
	for s := range r.calls {
		if b := r.calls[s].Load(); b != nil {
			b.each(func(status int, h *histogram) { f(status-minStatus, Scheme(s), h) })
		}
	}
}

// callAttributes follow the RPC conventions.
func (r *Route) callAttributes(code int, s Scheme) []attribute.KeyValue {
	attrs := append(r.attributes(MethodPost, s, 200), attrGRPCStatus.Int(code))
	if serverCode(code) {
		attrs = append(attrs, attrErrorType.String(strconv.Itoa(code)))
	}
	return attrs
}

// serverCode tells whether a status of gRPC is an error of a server, by the RPC conventions.
func serverCode(code int) bool {
	switch code {
	case unknownCode, 4, 12, 13, 14, 15: // DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS
		return true
	}
	return false
}
