package proxy

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// record counts the exchange and writes its line: the last step of every request, also of those that were no requests.
func (ex *exchange) record() {
	if ex.endAt == 0 {
		ex.endAt = ex.now()
	}
	took := time.Duration(ex.endAt - ex.start)
	rt := ex.t.noRoute
	if ex.rt != nil {
		rt = ex.rt.tele
	}
	if ex.grpcStatus != noGRPCStatus && ex.status == 200 {
		rt.RecordCall(ex.grpcStatus, ex.c.scheme, took)
	} else {
		rt.Record(ex.method, ex.status, ex.c.scheme, took)
	}
	if t := ex.t; t.log != nil && (t.sampling >= 1 || ex.status >= 400 || ex.grpcStatus > 0 || ex.flag != telemetry.NoFlag || rand.Float64() < t.sampling) {
		ex.writeLog(took)
	}
}

// records are pooled, for the log's fields are functions, for which a record is on the heap. A workspace would not do: an exchange that is relayed
// ends on whichever goroutine brings its end.
var records = sync.Pool{New: func() any { return new(telemetry.Record) }}

func (ex *exchange) writeLog(took time.Duration) {
	h := &ex.req
	r := records.Get().(*telemetry.Record)
	*r = telemetry.Record{
		Time: ex.s.sweeper.Time(ex.start), Method: h.Method, Path: h.Path, Query: h.Query, Host: h.Authority, Protocol: h.Version.String(),
		Status: ex.status, Duration: took, UserAgent: h.Get(message.UserAgent), Referer: h.Get(message.Referer),
		Listener: ex.c.settings.name, Attempts: ex.attempts, BytesRead: ex.read, BytesWritten: ex.written,
		Flag: ex.flag, RequestID: h.Get(message.XRequestID), Revision: ex.t.revision,
		Peer: ex.c.ip, RemoteIP: ex.remote,
	}
	if tc := ex.c.tls; tc != nil {
		r.TLSVersion, r.ClientIdentity = tc.version, tc.identity
	}
	if ex.idLen > 0 {
		r.RequestID = ex.id[:ex.idLen]
	}
	if tp := h.Get(message.Traceparent); len(tp) >= 35 && tp[2] == '-' { // 00-<32 hex>-...
		r.TraceID = tp[3:35]
	}
	if ex.rt != nil {
		r.Route = ex.rt.name
	}
	if ex.up != nil {
		r.Cluster = ex.up.cluster.Name()
	}
	if ex.ep != nil {
		r.Endpoint = ex.ep.Address()
	}
	if ex.headAt > 0 {
		r.Upstream = time.Duration(ex.headAt - ex.tryStart)
	}
	r.GRPC, r.GRPCStatus = ex.grpcStatus != noGRPCStatus, ex.grpcStatus
	ex.s.log.Write(ex.t.log, r, ex.c.shard)
	*r = telemetry.Record{} // what it points to is not its own
	records.Put(r)
}
