package proxy

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// handle takes one request from its head to its record. It is the table of contents of the proxy: every step is a plain call,
// in the order in which a request meets it.
func (s *Server) handle(ex *exchange) {
	ex.t = s.table.Load() // one snapshot; every later step uses it
	if f := ex.decide(); f != nil {
		ex.answerFault(f)
		ex.finish()
		return
	}
	active := ex.c.settings.tele.Requests(ex.method, ex.c.scheme)
	active.Inc()
	f := ex.hold()
	if f == nil {
		f = ex.enter()
	}
	for f == nil {
		ep, err := ex.up.cluster.Pick(&ex.tried)
		if err != nil {
			f = noEndpoint(err)
			break
		}
		ex.ep = ep
		ex.attempts++
		out := ex.try()
		ep.Done(out.outcome)
		if f = out.fault; f == nil || !ex.again(&out) {
			break
		}
		f = ex.backoff()
	}
	if f != nil {
		ex.answerFault(f)
	}
	ex.leave()
	if ex.retrying > 0 {
		ex.up.budget.give(ex.retrying)
	}
	active.Dec()
	ex.finish()
}

// finish counts what went over the client's connection and records the exchange.
func (ex *exchange) finish() {
	ex.read += ex.d.Received()
	ex.written += ex.d.Sent()
	ex.record()
}

// decide finds out what is to be done with the request; nothing in it blocks.
func (ex *exchange) decide() *fault {
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
	if ex.path, ex.work.path, ok = normalise(path, ex.work.path); !ok {
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
			ex.deadline = sooner(ex.deadline, ex.start+int64(d))
		}
	}
	return nil
}

// admit asks the route's rate limit and draws the cluster, once for a request: an exchange that takes over from a relay goes by what that got.
func (ex *exchange) admit() *fault {
	if ex.admitted == ex.rt {
		return nil
	}
	if l := ex.rt.rate; l != nil {
		if ex.retryIn = l.take(ex); ex.retryIn > 0 {
			return faultRateLimited
		}
	}
	if ex.up = ex.rt.choose(); ex.up == nil {
		return faultNoCluster
	}
	ex.admitted = ex.rt
	return nil
}

var slash = []byte("/")
