package forward

import (
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// decide asks the table that serves now what is to be done with the request. Nothing in it blocks.
func (ex *exchange) decide() *route.LocalReply {
	reply := ex.engine.Decide(&ex.decision, &ex.req, ex.client, ex.record.Start, ex.work)
	ex.state = decided
	return reply
}

// serve decides on a request, unless that has been done, and takes it to its record, or until it is parked. Then
// nothing of ex may be touched any more, and resume goes on with it.
func (ex *exchange) serve() (parked bool) {
	defer ex.recover()
	reply := ex.localReply
	if ex.state == undecided {
		reply = ex.decide()
	}
	return ex.run(reply)
}

// resume goes on with a request that was parked, in another goroutine than serve.
func (ex *exchange) resume() (parked bool) {
	defer ex.recover()
	return ex.carry()
}

// run takes a request that has been decided on to its record. It is the table of contents of this package: every step
// is a plain call, in the order in which a request meets it. reply is what the decision ended with.
func (ex *exchange) run(reply *route.LocalReply) (parked bool) {
	if reply == nil && ex.decision.Pending {
		reply = ex.authorize()
	}
	if reply != nil {
		ex.reply(reply)
		ex.finish()
		return false
	}
	ex.record.Begin(ex.client, ex.decision.Method)
	ex.upload.prepare(ex)
	if ex.decision.Mirror != nil {
		ex.upload.shadow = ex.copied()
	}
	if reply = ex.upload.gather(); reply == nil {
		reply = ex.enter()
	}
	if reply != nil {
		ex.conclude(reply)
		return false
	}
	return ex.carry()
}

// carry makes attempts until the request has its response, or is parked.
func (ex *exchange) carry() (parked bool) {
	reply, parked := ex.attempts()
	if !parked {
		ex.conclude(reply)
	}
	return parked
}

// conclude ends a request: with reply, or, if that is nil, behind the response that was passed on.
func (ex *exchange) conclude(reply *route.LocalReply) {
	if reply != nil {
		ex.reply(reply)
	}
	ex.giveBack()
	if reply == nil {
		ex.earnRetry()
	}
	ex.upload.dropCopy()
	ex.record.EndActive()
	ex.finish()
	if ex.upload.crashed() {
		ex.state = panicked
	}
}

// giveBack gives back what the request holds of its cluster, whatever that is.
func (ex *exchange) giveBack() {
	ex.attempt.Done(cluster.Ignored) // one that was picked and not tried
	ex.place.Leave()
	ex.retry.give()
}

// attempts makes attempts, or goes on with one that was parked, until one is answered. The reply is how the last one
// ended otherwise. parked: one of them is, and ex may be another goroutine's already.
func (ex *exchange) attempts() (reply *route.LocalReply, parked bool) {
	for {
		if reply := ex.pick(); reply != nil {
			return reply, false
		}
		out := ex.try()
		if out.parked {
			return nil, true
		}
		ex.down.Watch(nil)
		ex.attempt.Done(out.outcome)
		if out.reply == nil || !ex.again(&out) {
			return out.reply, false
		}
		ex.keepAttempt(&out)
		if reply := ex.backoff(); reply != nil {
			return reply, false
		}
	}
}

// keepAttempt remembers an attempt that another one follows.
func (ex *exchange) keepAttempt(out *result) {
	if out.reply == replyRetry {
		ex.attempt.keepDropped(ex.decision.GRPC, &ex.resp, ex.record.Start, ex.now())
		return
	}
	ex.attempt.Keep(out.reply, ex.record.Start, ex.now())
}

// finish counts what went over the client's connection and records the exchange.
func (ex *exchange) finish() {
	ex.state = recorded
	ex.record.Read += ex.down.Received()
	ex.record.Written += ex.down.Sent()
	ex.record.Write(ex.engine, ex.client, &ex.decision, &ex.attempt, &ex.req)
}

// reply tells the client, if it can still be told, and notes why for the record.
func (ex *exchange) reply(r *route.LocalReply) {
	began := ex.down.Began()
	ex.record.Fail(ex.engine, r, ex.decision.GRPC, began)
	if began {
		ex.closing = true
		ex.down.Abort(r)
		return
	}
	if ex.upload.crashed() || !ex.upload.skip() {
		ex.closing = true
	}
	if r.Flag == telemetry.DC {
		ex.closing = true
		ex.down.Abort(r)
		return
	}
	h := &ex.resp
	body := FillReply(h, r, &ex.decision, &ex.req, ex.client, ex.work.reply)
	ex.work.reply = h.Buf
	if err := ex.down.Begin(h); err == nil && body != nil {
		_ = ex.down.Body(body) // gathered, not written: End tells
	}
	if err := ex.down.End(nil); err != nil {
		ex.closing = true
	}
}
