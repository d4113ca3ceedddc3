package relay

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// fallBack gives a request that the endpoint has not processed to a goroutine, which makes another attempt. It can not
// where more of the body has gone on than is kept: then the client, who has it, must send it again. reply is how the
// attempt ended.
func (r *relay) fallBack(b *http2.Batch, reply *route.LocalReply) bool {
	r.mu.Lock() // the client's reset comes either before this, and ends the request, or goes to the fallback
	defer r.mu.Unlock()
	if r.response != awaitingHead {
		return false
	}
	pipe := http2.NewPipe()
	var body []byte
	ended := r.req.Body == message.NoBody
	pipe.Attach(r.client, ended)
	if !ended {
		var ok bool
		if body, ended, ok = r.toUp.Divert(b, pipe.Receiver()); !ok {
			return false
		}
	}
	r.fallback, r.response = pipe.Receiver(), done
	r.client.SetDeadline(0)
	r.record.EndActive()
	r.attempt.Done(forward.Outcome(reply))
	r.attempt.Keep(reply, r.record.Start, r.conn.Engine.Now())
	g := &forward.Given{Start: r.record.Start, Decision: &r.decision, Attempt: r.attempt, Place: r.place, Body: body}
	r.place = forward.QueuePlace{} // it is the other carrier's now
	var h message.Head
	http2.CopyHead(&h, &r.req)
	r.conn.Resume(r.client, &h, ended, pipe, g)
	return true
}

// fallenBack is who takes the client's events instead of r, nil: nobody.
func (r *relay) fallenBack() http2.Receiver {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fallback
}
