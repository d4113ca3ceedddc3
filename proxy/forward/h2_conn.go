package forward

import (
	"bytes"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// ConnH2 is an HTTP/2 connection from a client, as far as its requests know it. Its reading goroutine calls Carry and
// GiveUpInline; Resume and Wait are as they say.
type ConnH2 struct {
	Engine *Engine
	Client route.Client
	Work   Workspace // the reading goroutine's

	requests sync.WaitGroup // the goroutines of its requests

	// Of the reading goroutine:
	inline []*requestH2 // sent by it, and not answered yet
	resume func(*http2.Batch)
}

// Init makes c ready for the requests of one connection.
func (c *ConnH2) Init(e *Engine, client route.Client) {
	c.Engine, c.Client = e, client
	c.resume = c.resumeInline // made once
}

// Wait waits for all requests of the connection, which has ended.
func (c *ConnH2) Wait() {
	c.giveUpInline()
	c.requests.Wait()
}

// Carry takes a request that has been decided on, and its head out of h, and answers it. It does so inline where it
// can, else from a goroutine. It returns who takes the stream's events. Called by the reading goroutine.
func (c *ConnH2) Carry(b *http2.Batch, st *http2.Stream, h *message.Head, end bool, g *Given) http2.Receiver {
	q := c.newRequest(st, h, end)
	q.take(g)
	if end && g.Reply == nil {
		switch q.sendInline() {
		case inlineSent:
			q.events, q.batch = new(inlineEvents), b
			c.inline = append(c.inline, q)
			b.Later(c.resume)
			return q.events
		case inlinePanicked:
			return new(inlineEvents) // of a stream that was reset
		}
	}
	return c.carry(q)
}

// Given is what has been done for a request before an exchange carries it.
type Given struct {
	Start    int64
	Decision *route.Decision
	Reply    *route.LocalReply // what the decision ended with
	Attempt  Attempt           // may hold an endpoint that is leased and not tried yet
	Place    QueuePlace        // in front of its cluster
	Body     []byte            // the beginning of its body, which nobody else will deliver
}

// GiveUp gives back what the request has been given.
func (g *Given) GiveUp() {
	g.Attempt.Done(cluster.Ignored)
	g.Place.Leave()
}

// take makes what was given for the request the exchange's own.
func (q *requestH2) take(g *Given) {
	ex := &q.ex
	ex.record.Start, ex.decision, ex.localReply, ex.place = g.Start, *g.Decision, g.Reply, g.Place
	ex.decision.Detach()
	ex.attempt = g.Attempt
	ex.upload.buffer.data, ex.upload.bytes = g.Body, int64(len(g.Body))
	q.received += int64(len(g.Body))
	ex.state = decided
}

// Resume has a request that had another carrier so far answered from a goroutine. pipe has been attached to its stream;
// ended: it delivers nothing of the request any more. Safe from any goroutine, as long as the connection lives.
func (c *ConnH2) Resume(st *http2.Stream, h *message.Head, ended bool, pipe *http2.Pipe, g *Given) {
	q := c.newRequest(st, h, false)
	q.bodyless = ended
	q.take(g)
	q.pipe = pipe
	c.requests.Add(1)
	c.Engine.workers.serve(q)
}

// carry gives q to a goroutine, and returns who takes its stream's events from now on.
func (c *ConnH2) carry(q *requestH2) http2.Receiver {
	q.batch = &q.own
	q.pipe = http2.NewPipe()
	q.pipe.Attach(q.stream, q.bodyless)
	events := q.pipe.Receiver()
	c.requests.Add(1)
	c.Engine.workers.serve(q)
	return events
}

// Refused counts and logs a malformed request, whose stream was reset. Called by the reading goroutine.
func (c *ConnH2) Refused(h *message.Head) {
	q := c.newRefused(nil, h, true)
	ex := &q.ex
	ex.record.Read = q.received
	ex.record.Status, ex.record.Flag = 400, telemetry.DPE
	c.Engine.Registry.Fault(telemetry.DPE).Inc()
	ex.record.Write(c.Engine, ex.client, &ex.decision, &ex.attempt, &ex.req)
	q.release()
}

// TooLarge answers a request whose head is over the limits. It is what http2.Options has under this name.
func (c *ConnH2) TooLarge(_ *http2.Batch, st *http2.Stream, h *message.Head, end bool) http2.Receiver {
	q := c.newRefused(st, h, end)
	q.ex.localReply, q.ex.state = replyLargeHead, decided
	return c.carry(q)
}

// newRefused is newRequest for a request that is turned away for its head.
func (c *ConnH2) newRefused(st *http2.Stream, h *message.Head, end bool) *requestH2 {
	q := c.newRequest(st, h, end)
	ex := &q.ex
	ex.record.Start = ex.now()
	ex.req.Version = message.HTTP2
	c.Engine.Table().Refuse(&ex.decision, &ex.req)
	ex.req.Path, ex.req.Query, _ = bytes.Cut(ex.req.Target, questionMark)
	return q
}

var questionMark = []byte("?")

// finish sends the rest of a response whose window, seen to be there, was taken by another stream. It does so from a
// goroutine that ends when it has, and Wait waits for it.
func (c *ConnH2) finish(st *http2.Stream, events *inlineEvents, p []byte, end bool) {
	pipe := http2.NewPipe()
	pipe.Attach(st, true)
	events.pass(pipe.Receiver(), st)
	p = bytes.Clone(p)
	c.requests.Go(func() {
		defer func() { c.Engine.recovered(recover()) }()
		var own http2.Batch
		_ = pipe.Write(&own, p, end) // what is wrong with the client's stream, nobody needs to know any more
		own.Flush()
		pipe.Close()
	})
}
