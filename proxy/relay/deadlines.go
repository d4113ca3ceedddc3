package relay

import (
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
)

// A stream has one deadline. That of the endpoint's stream is the next moment that concerns the response. That of the
// client's stream concerns the body of the request. The rules that give these moments are in package forward.

// waits are what the endpoint's stream is waited for. Moments are on the sweeper's clock.
type waits struct {
	headBy int64 // when the head of the response is due; 0 never
	silent int64 // since when nothing of the response has come that could; 0: the client takes nothing more
	timed  bool  // the endpoint's stream has a deadline
	proven bool  // a long response need not tell its endpoint's health any more
}

// awaitHead sets the time for the response head. It runs from the end of the request, or while the client waits to be
// asked for its body (100-continue).
//
// +checklocks:r.mu
func (r *relay) awaitHead() {
	d := &r.decision
	w := forward.HeadWait{Deadline: d.Deadline, Timeout: d.UpstreamTimeout()}
	if r.request != requestOpen {
		w.Begun = r.conn.Engine.Now()
	}
	r.wait.headBy = w.Until()
	if r.wait.headBy > 0 || r.wait.timed {
		r.wait.timed = true
		r.server.SetDeadline(r.wait.headBy)
	}
}

// awaitBody sets the time for the next piece of the request's body, which ends with the response's head.
//
// +checklocks:r.mu
func (r *relay) awaitBody() {
	w := forward.BodyWait{
		Read: r.decision.Table.Timeouts.Read, GRPC: r.decision.GRPC, Answered: r.response != awaitingHead,
		Unprompted: r.request == requestExpected,
	}
	if w.GRPC || w.Unprompted || w.Read <= 0 {
		return // none was set
	}
	at := int64(0)
	if r.request == requestOpen {
		at, _ = w.Until(r.conn.Engine.Now())
	}
	r.client.SetDeadline(at)
}

// bodyComes notes a piece of the request's body, with end the last one.
func (r *relay) bodyComes(end bool) {
	if r.decision.GRPC && !end {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.response != awaitingHead {
		return
	}
	expected := r.request == requestExpected
	r.request = requestOpen
	if end {
		r.request = requestSent
	}
	r.awaitBody()
	if end || expected {
		r.awaitHead()
	}
}

// bodyLate tells whether a piece of the body that is due has not come, and who takes the client's events by now. What
// waits for the endpoint to take it has come.
func (r *relay) bodyLate() (late bool, to http2.Receiver) {
	r.mu.Lock()
	defer r.mu.Unlock()
	late = r.request != requestSent && r.response == awaitingHead
	if late && r.toUp.Holding() {
		r.awaitBody()
		late = false
	}
	return late, r.fallback
}

// awaitResponse sets the time for the next piece of the response's body. There is none while the client does not take
// what there is: the endpoint can not send more than that.
//
// +checklocks:r.mu
func (r *relay) awaitResponse() {
	r.wait.silent = 0
	if r.decision.Route.Config.Timeouts.ResponseIdle > 0 && !r.toDown.Holding() {
		r.wait.silent = r.conn.Engine.Now()
	}
	r.server.SetDeadline(r.nextCheck())
}

// responseBy is when the next piece of the response is due.
//
// +checklocks:r.mu
func (r *relay) responseBy() int64 {
	w := forward.ResponseWait{Deadline: r.decision.Deadline, Idle: r.decision.Route.Config.Timeouts.ResponseIdle}
	return w.Until(r.wait.silent)
}

// nextCheck is when something is to be done inside the response.
//
// +checklocks:r.mu
func (r *relay) nextCheck() int64 {
	if r.wait.proven {
		return r.responseBy()
	}
	return forward.Earlier(r.responseBy(), forward.ProvenAt(r.attempt.HeadAt))
}

// responseComes notes that the response has gone on, or can.
func (r *relay) responseComes() {
	if r.decision.Route.Config.Timeouts.ResponseIdle <= 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.response == streaming {
		r.awaitResponse()
	}
}

// due tells whether a moment that has passed ends the request, and since when the endpoint has owed something.
func (r *relay) due(st *http2.Stream) (late bool, since int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, at := r.conn.Engine.Now(), r.wait.headBy
	since = r.attempt.Start
	if r.attempt.HeadAt > 0 {
		if !r.wait.proven && forward.Passed(forward.ProvenAt(r.attempt.HeadAt), now) {
			r.wait.proven = true // once: later on it says nothing new
			if r.response != done {
				r.attempt.Endpoint.Report(cluster.Success)
			}
		}
		at, since = r.nextCheck(), max(since, r.wait.silent)
	}
	if forward.Passed(at, now) {
		return true, since
	}
	st.SetDeadline(at)
	return false, 0
}
