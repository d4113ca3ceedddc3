package proxy

import (
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// handle takes one request from its head to its record. It is the table of contents of the proxy: every step is a plain call,
// in the order in which a request meets it.
func (s *Server) handle(ex *exchange) {
	defer ex.survive()
	if ex.t == nil {
		ex.t = s.table.Load() // one snapshot; every later step uses it
	}
	if f := ex.decide(); f != nil {
		ex.answerFault(f)
		ex.finish()
		return
	}
	ex.begin()
	f := ex.hold()
	if f == nil {
		f = ex.enter()
	}
	for f == nil {
		if err := ex.pick(); err != nil {
			f = noEndpoint(err)
			break
		}
		ex.attempts++
		ex.leasing = true
		out := ex.try()
		ex.d.Watch(nil)
		ex.leasing = false
		ex.ep.Done(out.outcome)
		if f = out.fault; f == nil || !ex.again(&out) {
			break
		}
		f = ex.backoff()
	}
	if f != nil {
		ex.answerFault(f)
	}
	ex.leave()
	ex.settle(f)
	ex.active.Dec()
	ex.active = nil
	ex.finish()
}

// begin counts the exchange among those in flight.
func (ex *exchange) begin() {
	if ex.active == nil {
		ex.active = ex.c.settings.tele.Requests(ex.method, ex.c.scheme)
		ex.active.Inc()
	}
}

// finish counts what went over the client's connection and records the exchange.
func (ex *exchange) finish() {
	ex.finished = true
	ex.read += ex.d.Received()
	ex.written += ex.d.Sent()
	ex.record()
}

// decide finds out what is to be done with the request; nothing in it blocks. What has been decided is not decided again.
func (ex *exchange) decide() *fault {
	if ex.decided {
		return nil
	}
	h := &ex.req
	ex.method = telemetry.ParseMethod(h.Method)
	ex.head = ex.method == telemetry.MethodHead
	ex.grpc, ex.grpcStatus = isGRPC(h), noGRPCStatus
	if ex.method == telemetry.MethodConnect {
		return faultConnect
	}
	ex.requestID()
	ex.remoteAddress()
	path := h.Path
	if len(path) == 0 {
		path = slash
	}
	var ok bool
	if ex.path, ex.work.path, ok = config.NormalPath(path, ex.work.path); !ok {
		return faultPath
	}
	if ex.rt = ex.t.router.match(h, ex.path, ex.t.listenerName(ex.c), &ex.work.edges, ex.work.hostname[:0]); ex.rt == nil {
		return faultNoRoute
	}
	if f := ex.admit(); f != nil {
		return f
	}
	if limit := ex.t.maxBody; limit > 0 && h.ContentLength > limit {
		return faultMaxBody
	}
	if h.Upgrade != nil && (h.Body != message.NoBody || !ex.rt.mayUpgrade(h.Upgrade)) {
		h.Upgrade = nil // stripped; the request itself goes on
	}
	if d := ex.rt.cfg.Timeouts.Request; d > 0 {
		ex.deadline = ex.start + int64(d)
	}
	if ex.grpc {
		if d := grpcTimeout(h.Get(message.GRPCTimeout)); d > 0 {
			own := ex.deadline
			ex.deadline = sooner(own, ex.start+int64(d))
			ex.clients = ex.deadline != own
		}
	}
	ex.decided = true
	return nil
}

var slash = []byte("/")
