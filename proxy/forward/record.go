package forward

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Record is what is counted and logged of one request.
type Record struct {
	Start         int64 // moments on the sweeper's clock: the first byte came,
	End           int64 // the response had been passed on; 0: it was none of an upstream
	Status        int
	GRPCStatus    int // NoGRPCStatus: none has come
	Flag          telemetry.Flag
	Reason        error // why the request ended badly, for the log
	Read, Written int64 // bytes from and to the client, heads included

	queuedAt int64 // it had to wait for its turn, or for an endpoint, first at this moment
	queued   int64 // and so long in all, in nanoseconds; 0: not at all

	wanted bool              // the local reply is what the route is for
	active *telemetry.UpDown // counts the request among those in flight; nil: it is not counted
}

// NewRecord is the record of a request that began at start.
func NewRecord(start int64) Record { return Record{Start: start, GRPCStatus: NoGRPCStatus} }

// reset makes r ready for the next request.
func (r *Record) reset() { *r = NewRecord(0) }

// Begin counts the request among those in flight, once.
func (r *Record) Begin(c *route.Client, m telemetry.Method) {
	if r.active == nil {
		r.active = c.Listener.Telemetry.Requests(m, c.Scheme)
		r.active.Inc()
	}
}

// waited notes that the request waited before an endpoint had it.
func (r *Record) waited(from, to int64) {
	if r.queued == 0 {
		r.queuedAt = from
	}
	r.queued += to - from
}

// EndActive takes the request out of those in flight, if it is counted there.
func (r *Record) EndActive() {
	if r.active != nil {
		r.active.Dec()
		r.active = nil
	}
}

// NoteGRPC takes the status of a gRPC call from the head or the trailers that carry it. h may be nil.
func (r *Record) NoteGRPC(grpc bool, h *message.Head) {
	if n := grpcStatus(grpc, h); n != NoGRPCStatus {
		r.GRPCStatus = n
	}
}

// Fail notes and counts a local reply. began: a response had begun by then, so it is not sent. A caller of gRPC is told
// its status all the same, but where NoteReset follows.
func (r *Record) Fail(e *Engine, reply *route.LocalReply, grpc, began bool) {
	if reply.Flag == telemetry.DC && e.cutting.Load() {
		reply = replyCut
	}
	if r.wanted = reply.Own != nil && reply.Flag == telemetry.NoFlag; !r.wanted {
		r.Flag, r.Reason = reply.Flag, reply
		e.Registry.Fault(reply.Flag).Inc()
	}
	switch {
	case !began && grpc: // of gRPC there are two statuses
		r.Status, r.GRPCStatus = 200, grpcCode(reply)
	case !began:
		r.Status = reply.Status
	case grpc:
		r.GRPCStatus = grpcCode(reply)
	}
}

// NoteReset notes that a request ends by a reset, for this reason; nil: a panic of ours. A caller of gRPC that is still
// there makes a status of its code.
func (r *Record) NoteReset(grpc bool, why *route.LocalReply) {
	if grpc && !r.Unheard() {
		r.GRPCStatus = grpcOfReset(ResetCode(why))
	}
}

// Unheard tells that the connection of the client ended first, so that nothing could be told it.
func (r *Record) Unheard() bool { return r.Flag == telemetry.DC || r.Flag == telemetry.LR }

// Write counts the request and writes its line: the last step of every request, also of those that were no requests.
func (r *Record) Write(e *Engine, c *route.Client, d *route.Decision, a *Attempt, h *message.Head) {
	if r.End == 0 {
		r.End = e.Now()
	}
	took := time.Duration(r.End - r.Start)
	t, rt := d.Table, d.Table.NoRoute
	if d.Route != nil {
		rt = d.Route.Telemetry
	}
	if r.GRPCStatus != NoGRPCStatus && r.Status == 200 {
		rt.RecordCall(r.GRPCStatus, c.Scheme, took)
	} else {
		rt.Record(d.Method, r.Status, c.Scheme, took)
	}
	if r.Flag != telemetry.NoFlag {
		rt.Faults.Count(r.Flag)
		if d.Route != nil {
			d.Route.Faults.Count(r.Flag)
		}
	}
	slow := t.Slow > 0 && took >= t.Slow && r.Status != 101 // a tunnel lasts as long as it is wanted
	broken := slow || r.Flag != telemetry.NoFlag || !r.wanted && (r.Status >= 500 || grpcFailed(r.GRPCStatus))
	share := t.Sampling
	if broken || r.Status >= 400 || r.GRPCStatus > 0 {
		share = 1
	}
	logged := t.Log != nil && (share >= 1 || rand.Float64() < share)
	traced := d.Trace.Sampled()
	if !logged && !broken && !traced {
		return
	}
	l := r.line(e, c, d, a, h, took)
	l.Sampled, l.Slow = share, slow
	if logged {
		e.Log.Write(t.Log, &l.Record, c.Shard)
	}
	if broken || traced {
		attempts := a.attempts(r)
		if broken {
			e.Registry.Failures.Add(&l.Record, attempts)
		}
		if traced {
			e.Tracer.Record(&d.Trace, &l.Record, attempts)
		}
	}
	l.Record = telemetry.Record{} // what it points to is not its own
	linePool.Put(l)
}

// line is the memory of one line: the log's fields are functions, for which a record is on the heap.
type line struct {
	telemetry.Record
	ip    [64]byte
	trace [48]byte // its id, and that of the request's span
}

// lines are pooled. A Workspace would not do: a request that is relayed ends on whichever goroutine brings its end.
var linePool = sync.Pool{New: func() any { return new(line) }}

// line is what is told of the request. It is of the pool.
func (r *Record) line(e *Engine, c *route.Client, d *route.Decision, a *Attempt, h *message.Head,
	took time.Duration,
) *line {
	l := linePool.Get().(*line)
	l.Record = telemetry.Record{
		Time: e.Sweeper.Time(r.Start), Method: h.Method, Path: h.Path, Query: h.Query, Host: h.Authority,
		Protocol: h.Version.String(), Status: r.Status, Duration: took, UserAgent: h.Get(message.UserAgent),
		Referer: h.Get(message.Referer), Listener: c.Listener.Name, Attempts: a.Number, BytesRead: r.Read,
		BytesWritten: r.Written, Flag: r.Flag, RequestID: d.RequestID(h), Revision: d.Table.Revision,
		Peer: c.IP, Call: d.GRPC, GRPC: r.GRPCStatus != NoGRPCStatus, GRPCStatus: r.GRPCStatus,
		Reason: r.Reason, TraceID: route.TraceID(h), Scheme: c.Scheme,
		QueuedAfter: time.Duration(r.queuedAt - r.Start), Queued: time.Duration(r.queued),
	}
	if d.RemoteIP.IsValid() {
		l.RemoteIP = d.RemoteIP.AppendTo(l.ip[:0])
	}
	if tc := c.TLS; tc != nil {
		l.TLSVersion, l.ClientIdentity = tc.Version, tc.Identity
	}
	if d.Trace.On() {
		l.TraceID = d.Trace.AppendTraceID(l.trace[:0])
		l.SpanID = d.Trace.AppendSpanID(l.trace[32:32])
	}
	if d.Route != nil {
		l.Route = d.Route.Name
	}
	if d.Upstream != nil {
		l.Cluster = d.Upstream.Cluster.Name()
	}
	if a.Endpoint != nil {
		l.Endpoint = a.Endpoint.Address()
	}
	if a.HeadAt > 0 {
		l.Upstream = time.Duration(a.HeadAt - a.Start)
	}
	return l
}
