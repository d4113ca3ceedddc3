package forward

import (
	"errors"
	"io"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// deliver passes the final response on: head, body, trailers. From here on the client can only be told of a fault by
// breaking off.
func (ex *exchange) deliver(u upstream) result {
	h, r := &ex.resp, &ex.record
	ex.retry.give()
	r.Status = h.Status
	r.NoteGRPC(ex.decision.GRPC, h)
	if !ex.upload.whole() {
		ex.closing = true // the response came before the request was through: its rest must not become another request
	}
	ex.upload.responseBegun()
	u.TakeHead(h)
	if err := ex.down.Begin(h); err != nil {
		return ex.delivered(u, nil, err)
	}
	return ex.passOn(u)
}

// passOn passes the body on, from where it is, and ends the response; or it is parked.
func (ex *exchange) passOn(u upstream) result {
	source, err := ex.stream(u)
	if err == errParked { //nolint:errorlint // nothing of ex may be touched, and nothing wraps it
		return result{parked: true}
	}
	return ex.delivered(u, source, err)
}

// delivered ends a response. source is what went wrong upstream, err what went wrong towards the client.
func (ex *exchange) delivered(u upstream, source, err error) result {
	h, r := &ex.resp, &ex.record
	early := ex.upload.stop(u)
	if early {
		// a client that was stopped in its body can send no other request
		ex.closing = ex.closing || !ex.upload.read.Load()
	}
	r.End = ex.now()
	switch {
	case source != nil:
		reply := Late(UpstreamReply(source), &ex.decision, r.End)
		_ = u.Close() // its response is broken
		ex.attempt.Failed(ex.cluster(), reply.Flag, r.End)
		return result{outcome: Outcome(reply), reply: reply}
	case err != nil:
		_ = u.Close() // the rest of its response is of no use
		ex.attempt.Responded(ex.cluster(), h.Status, r.End)
		var reply *route.LocalReply
		if !errors.As(err, &reply) {
			reply = &route.LocalReply{Status: 499, Flag: telemetry.DC, Text: "client went away", Cause: err}
		}
		return result{outcome: cluster.ClientGone, reply: reply}
	}
	ex.attempt.Responded(ex.cluster(), h.Status, r.End)
	if early {
		_ = u.Close() // it has not had the whole request
	} else {
		ex.attempt.up = nil
		ex.down.Watch(nil) // from here on u may be another request's
		u.GiveBack(h, ex.decision.Head, ex.attempt.Endpoint, r.End)
	}
	return result{outcome: ex.outcome()}
}

// outcome is what the response, as far as it has come, says about the endpoint.
func (ex *exchange) outcome() cluster.Outcome {
	return ResponseOutcome(ex.decision.Upstream.Failures, ex.record.Status, ex.record.GRPCStatus)
}

// prove has the endpoint believed once its response has lasted for long enough. Later on that says nothing new.
func (ex *exchange) prove(now int64) {
	if ex.attempt.proven || !Passed(ProvenAt(ex.attempt.HeadAt), now) {
		return
	}
	ex.attempt.proven = true
	if ex.outcome() == cluster.Success {
		ex.attempt.Endpoint.Report(cluster.Success)
	}
}

// pass passes on a piece of the body that u has handed out. errParked: the client takes no more of it now.
func (ex *exchange) pass(u upstream, p []byte) error {
	for {
		n, err := ex.down.Offer(p)
		if err != nil || n == len(p) {
			return err
		}
		p = p[n:]
		switch {
		case ex.upload.running:
			ex.down.AwaitRoom()
		case ex.parkUnread(u, len(p)):
			return errParked
		default:
			return nil
		}
	}
}

// stream moves the response's body. It writes when the upstream has nothing more at hand, or the buffer is full. Every
// now and then it polls whether the client is still there: a silent upstream would not tell. One that is silent for
// longer is waited for without a goroutine.
func (ex *exchange) stream(u upstream) (upstream, downstream error) {
	wait := ResponseWait{Deadline: ex.decision.Deadline, Idle: ex.decision.Route.Config.Timeouts.ResponseIdle}
	poll := after(ex.now(), cluster.MaxPoll) // of the client
	since := ex.attempt.since                // since when the upstream is, if there is a limit to that
	ex.attempt.since = 0
	u.SetReadDeadline(Earlier(wait.Deadline, poll))
	way := ex.spliceResponse(u)
	defer way.end()
	for {
		if !u.Ready() {
			if err := ex.down.Flush(); err != nil {
				return nil, err
			}
			ex.dropHead(u)
			if wait.Idle > 0 {
				if since == 0 {
					since = ex.now()
				}
				u.SetReadDeadline(Earlier(wait.Until(since), poll))
			}
		}
		var p []byte
		var err error
		n := 0 // of a piece that is spliced
		if way.worth() {
			if n, err = way.fill(); n > 0 {
				downstream = way.drain()
			}
		} else {
			ex.down.Ahead(u)
			if p, err = u.Next(); err == nil {
				downstream = ex.pass(u, p)
			}
		}
		switch {
		case downstream != nil:
			return nil, downstream
		case err == nil:
			since = 0
		case errors.Is(err, io.EOF):
			ex.record.NoteGRPC(ex.decision.GRPC, u.Trailers())
			return nil, ex.down.End(u.Trailers())
		case errors.Is(err, netio.ErrInterrupted):
			if r := ex.upload.fault(); r != nil {
				return nil, r
			}
			if ex.down.Hangup() == netio.Reset {
				return nil, ReplyGone
			}
		case errors.Is(err, netio.ErrTimeout):
			now := ex.now()
			if Passed(wait.Until(since), now) {
				u.TimedOut(ex.attempt.Endpoint, since, now)
				return err, nil
			}
			if ex.down.Hangup() == netio.Reset {
				return nil, ReplyGone
			}
			ex.prove(now)
			if ex.attempt.proven && ex.parkSilent(u, since, wait.Until(since)) {
				return nil, errParked
			}
			poll = after(now, cluster.MaxPoll)
			u.SetReadDeadline(Earlier(wait.Deadline, poll))
		default:
			return err, nil
		}
	}
}
