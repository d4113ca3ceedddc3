package forward

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// authorize answers what is open about who may, and decides the rest then.
func (ex *exchange) authorize() *route.LocalReply {
	d := &ex.decision
	if d.Unchecked() {
		if reply := ex.checkPassword(); reply != nil {
			return reply
		}
	}
	if d.AsksOutside() {
		if reply := ex.askOutside(); reply != nil {
			return reply
		}
	}
	return d.Proceed(&ex.req, ex.client, ex.record.Start, &ex.work.Workspace)
}

// askOutside asks the service that says whether the request may pass. The reply is for one that may not.
func (ex *exchange) askOutside() *route.LocalReply {
	s := subrequests.Get().(*subrequest)
	reply := s.ask(ex)
	switch {
	case s.ex.state == panicked:
		return replyPanic // and s is not used again
	case reply != nil && reply.Flag == telemetry.DC: // the client of the request itself
	case s.answered:
		reply = ex.decision.Answered(&ex.req, &s.answer, s.kept())
	default:
		reply = ex.decision.Unanswered(&ex.req, reply)
	}
	s.release()
	return reply
}
