package forward

import (
	"errors"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// exchange is one request and its response, carried by a goroutine. It is part of what a codec pools for a request:
// everything in it is good until reset.
type exchange struct {
	engine *Engine
	client *route.Client
	down   downstream
	work   *Workspace // scratch memory; who carries the exchange lends it

	req      message.Head
	resp     message.Head
	decision route.Decision
	attempt  Attempt
	upload   upload
	record   Record
	out      outgoing // while it is sent; here because a value of its own would be on the heap

	state      exchangeState
	localReply *route.LocalReply // what the decision ended with, where it was made before the exchange was
	place      QueuePlace
	retry      retryPlace
	closing    bool  // the client's connection must not be used again
	halfClosed int64 // the client was first seen to have ended its side after a whole request; 0: it has not
}

// exchangeState is how far an exchange has come.
type exchangeState uint8

const (
	undecided exchangeState = iota
	decided                 // by Table.Decide; nothing has been answered by that
	tunnelled               // the connection was switched to another protocol
	recorded                // its record is made, or about to be
	panicked                // nothing of it is used again
)

// Workspace is what steps of a request build things in. It is memory that is kept, off the stack, and only good until
// the next step wants it.
type Workspace struct {
	route.Workspace

	target    []byte // :path of an HTTP/2 request
	authority []byte // its :authority, where it is not the request's own
	chain     []byte // X-Forwarded-For
	trace     []byte // the values of the fields that tell of the trace
	lines     lines  // the head being written
	reply     []byte // the head of a local reply
}

// keepScratch is how many bytes of each kind of scratch memory are kept while a request waits.
const keepScratch = 1 << 10

// trim gives up what is large, and in use no more.
func (w *Workspace) trim() {
	for _, b := range []*[]byte{&w.target, &w.authority, &w.chain, &w.trace} {
		if cap(*b) > keepScratch {
			*b = nil
		}
	}
}

// reset makes ex ready for the next request of the same connection.
func (ex *exchange) reset() {
	ex.req.Reset()
	ex.resp.Reset()
	ex.decision = route.Decision{}
	ex.attempt.reset()
	ex.upload.reset()
	ex.record.reset()
	ex.state, ex.localReply, ex.closing, ex.halfClosed = undecided, nil, false, 0
	ex.place, ex.retry = QueuePlace{}, retryPlace{}
}

// attach makes ex ready for requests of c.
func (ex *exchange) attach(e *Engine, c *route.Client, d downstream, w *Workspace) {
	ex.engine, ex.client, ex.down, ex.work = e, c, d, w
	ex.upload.engine, ex.upload.down, ex.upload.decision = e, d, &ex.decision
	ex.record.reset()
}

// detach makes ex ready for the pool.
func (ex *exchange) detach() {
	ex.engine, ex.client, ex.down, ex.upload.down = nil, nil, nil, nil
}

func (ex *exchange) now() int64 { return ex.engine.Sweeper.Now() }

// policy is what the route says about further attempts.
func (ex *exchange) policy() *route.RetryPolicy { return &ex.decision.Route.Retry }

// enter takes the request's place in front of its cluster. It is kept over all attempts.
func (ex *exchange) enter() *route.LocalReply {
	q := ex.decision.Upstream.Queue
	if ex.place.TryTake(q) {
		return nil
	}
	began := ex.now()
	err := q.Enter(ex.engine.ctx, ex.whileWaiting())
	ex.record.waited(began, ex.now())
	var reply *route.LocalReply
	switch {
	case err == nil:
		ex.place.queue = q
		return nil
	case errors.As(err, &reply):
		return reply
	case errors.Is(err, cluster.ErrOverflow):
		ex.decision.Upstream.Cluster.Telemetry().Overflow.Inc()
		return noEndpoint(err)
	}
	return ReplyGone // the server cuts what is left
}

// whileWaiting is polled while a request waits before an endpoint has it: its error, a local reply, ends the wait.
func (ex *exchange) whileWaiting() func() error {
	halfClosed := int64(0) // since when
	return func() error {
		now := ex.now()
		if Passed(ex.decision.Deadline, now) {
			return ReplyTimeout
		}
		switch ex.down.Hangup() {
		case netio.Reset:
			return ReplyGone
		case netio.HalfClosed: // it may still read a response that comes soon
			if halfClosed == 0 {
				halfClosed = now
			}
			if halfClosedTooLong(halfClosed, now) {
				return ReplyGone
			}
		}
		return nil
	}
}

// gone looks whether the client is gone. One that has only ended its side is not yet, where the request is whole. It
// is given halfClosedGrace for a response to begin, over all attempts. Where it is not, whoever reads the rest finds
// out.
func (ex *exchange) gone(whole bool) bool {
	switch ex.down.Hangup() {
	case netio.Reset:
		return true
	case netio.HalfClosed:
		if ex.halfClosed == 0 && whole {
			ex.halfClosed = ex.now()
		}
	}
	return halfClosedTooLong(ex.halfClosed, ex.now())
}
