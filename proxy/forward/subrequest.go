package forward

import (
	"io"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// subrequest is a request of the gateway's own about another request, and its downstream side: what comes is kept. It
// goes the way of all requests to a cluster, and is neither counted nor logged as one of a client. It is pooled.
type subrequest struct {
	ownDownstream
	ex     exchange
	work   Workspace
	parent downstream

	began    bool
	answered bool // a final head has come, and of the body all that matters
	large    bool // the body is larger than what is passed on
	answer   message.Head
	body     []byte
}

var subrequests = sync.Pool{New: func() any { return new(subrequest) }}

// ask sends the question about the request of parent, and takes the response. The reply says why there is none.
func (s *subrequest) ask(parent *exchange) (reply *route.LocalReply) {
	ex := &s.ex
	ex.attach(parent.engine, parent.client, s, &s.work)
	s.parent = parent.down
	ex.record.Start = ex.now()
	ex.decision = parent.decision.Question(&parent.req, parent.client, ex.record.Start, &ex.req)
	ex.state = recorded // none is made of it
	defer ex.recover()
	ex.upload.prepare(ex)
	if reply = ex.enter(); reply == nil {
		reply, _ = ex.attempts() // it has a goroutine, and is not parked
	}
	ex.giveBack()
	return reply
}

// kept is the body of the response, nil where it is too large to be passed on.
func (s *subrequest) kept() []byte {
	if s.large {
		return nil
	}
	return s.body
}

// release gives s back.
func (s *subrequest) release() {
	question, answer, body := s.ex.req.Buf[:0], s.answer.Buf[:0], s.body[:0]
	s.ex.reset()
	s.ex.detach()
	s.answer.Reset()
	s.parent, s.began, s.answered, s.large = nil, false, false, false
	s.ex.req.Buf, s.answer.Buf, s.body = question, answer, body
	subrequests.Put(s)
}

// The methods of a downstream that a subrequest has of its own. The request ends with its head; whether it is still
// wanted, the client of the other one shows.

func (s *subrequest) Next() ([]byte, error)     { return nil, io.EOF }
func (s *subrequest) Ended() bool               { return true }
func (s *subrequest) Watch(w http2.Interrupter) { s.parent.Watch(w) }
func (s *subrequest) Hangup() netio.Hangup      { return s.parent.Hangup() }
func (s *subrequest) Began() bool               { return s.began }

// Begin keeps the head of the response. Its memory is the connection's.
func (s *subrequest) Begin(h *message.Head) error {
	s.began = true
	s.answer.Status, s.answer.Version = h.Status, h.Version
	for i := range h.Fields {
		if f := &h.Fields[i]; !f.Hop {
			s.answer.Append(h.Name(f), h.Value(f))
		}
	}
	return nil
}

// Offer takes all of p.
func (s *subrequest) Offer(p []byte) (int, error) { return len(p), s.Body(p) }

// Body keeps what may be passed on. What is more is not waited for.
func (s *subrequest) Body(p []byte) error {
	if len(s.body)+len(p) > route.MaxAnswer {
		s.large, s.answered = true, true
		return replyEnough
	}
	s.body = append(s.body, p...)
	return nil
}

// replyEnough ends a response of which no more is needed.
var replyEnough = &route.LocalReply{Status: 200, Text: "the rest of the response is not needed"}

// End tells that the response is whole.
func (s *subrequest) End(*message.Head) error {
	s.answered = true
	return nil
}
