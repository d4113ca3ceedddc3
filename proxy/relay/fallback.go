package proxy

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// unprocessed tells that the endpoint has said that it did nothing with a request: it can be sent again, whatever it is.
func unprocessed(cause error) bool { return errors.Is(cause, http2.ErrUnprocessed) }

// handOver gives a request that the endpoint has not processed to an exchange with a goroutine, which tries it elsewhere. It can not where a piece of
// the body has gone on, for that is not kept: then the client, who has it, must send it again.
func (r *relay2) handOver(b *http2.Batch) bool {
	r.mu.Lock() // the client's end comes either before this, and is the exchange's end, or goes to the heir
	defer r.mu.Unlock()
	if r.over || r.failing || r.answered {
		return false
	}
	pipe, bodyless := http2.NewPipe(), r.req.Body == message.NoBody
	pipe.Attach(r.client, bodyless)
	if !bodyless && !r.toUp.Divert(b, pipe.Receiver()) {
		return false
	}
	var h message.Head
	http2.CopyHead(&h, &r.req)
	q := newRequest2(r.conn, r.client, &h, bodyless)
	q.inherit(r)
	q.pipe = pipe
	r.heir, r.over = pipe.Receiver(), true
	r.client.SetDeadline(0)
	r.active.Dec()
	r.ep.Done(cluster.Ignored)
	r.conn.requests.Add(1)
	r.s.workers.serve(q)
	return true
}

// inherit takes what a relay has been given for the request, and its place in time.
func (q *request2) inherit(r *relay2) {
	q.t, q.up, q.tried, q.admission = r.t, r.up, r.tried, r.admission
	q.start, q.attempts = r.start, r.attempts
}

// successor is who takes the client's events instead of r, nil: nobody.
func (r *relay2) successor() http2.Receiver {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.heir
}
