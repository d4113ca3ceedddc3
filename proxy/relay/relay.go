package relay

import (
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// relay is one request from HTTP/2 to HTTP/2 that no goroutine carries: the reading goroutines of the two connections
// pass it on, event by event.
type relay struct {
	conn   *forward.ConnH2
	client *http2.Stream // the stream of the request
	server *http2.Stream // the one it goes on in
	// endpoint is that of the attempt, for who has no lock.
	endpoint *cluster.Endpoint
	toUp     http2.Relay
	toDown   http2.Relay

	req      message.Head
	decision route.Decision

	received atomic.Int64 // bytes from the client
	sent     atomic.Int64 // bytes to it

	// mu is taken before a connection's lock, never under it.
	mu sync.Mutex
	// +checklocks:mu
	place forward.QueuePlace
	// +checklocks:mu
	attempt forward.Attempt
	// +checklocks:mu
	record forward.Record
	// +checklocks:mu
	request requestState
	// +checklocks:mu
	response responseState
	// takesStatus: trailers may end the response before it is whole.
	// +checklocks:mu
	takesStatus bool
	// +checklocks:mu
	wait waits
	// refused: the response has ended, and no more of the request is wanted. The client is told by a reset with code.
	// +checklocks:mu
	refused bool
	// +checklocks:mu
	code http2.ErrCode
	// rest of the local reply, which the client's window had no room for yet.
	// +checklocks:mu
	rest []byte
	// fallback takes the client's events instead, nil: nobody.
	// +checklocks:mu
	fallback http2.Receiver
}

// requestState is how far the request has come.
type requestState uint8

const (
	requestOpen     requestState = iota // more of it is to come
	requestExpected                     // the client waits for a 100 (Continue) before it sends more
	requestSent                         // it has been read to its end
)

// responseState is how far the response has come.
type responseState uint8

const (
	awaitingHead responseState = iota // of the final response
	streaming                         // the final head has gone to the client
	failing                           // a local reply is on its way, or a reset
	done                              // recorded: what still comes is only passed on
)

// clientEvents and serverEvents are a relay as the receiver of its two streams.
type (
	clientEvents relay
	serverEvents relay
)

// Eligible tells whether nothing about a request that has been decided on may ever have to wait for anything but its
// peers. end: the request ended with its head.
func Eligible(d *route.Decision, h *message.Head, end bool) bool {
	p := &d.Route.Retry
	return !d.Pending && d.Mirror == nil && d.Upstream.Protocol != config.ProtocolHTTP1 &&
		!p.Replays && p.PerTry == 0 &&
		(d.Table.MaxBody == 0 || end || h.ContentLength >= 0)
}

// Start begins to relay a request that is eligible, if its endpoint has a connection with room for it. It returns who
// takes the events of the client's stream. With nil nothing has happened yet that a peer could see: g holds what the
// request has been given, for whoever goes on with it. Called by the reading goroutine of the client's connection.
func Start(c *forward.ConnH2, b *http2.Batch, st *http2.Stream, h *message.Head, end bool, g *forward.Given) (
	events http2.Receiver,
) {
	var r *relay
	var reserved *http2.Client // has a place for the stream
	defer func() {
		if p := recover(); p != nil {
			c.Engine.Panicked(p, debug.Stack())
			if reserved != nil {
				reserved.Unreserve()
			}
			r.giveUp(b, g)
			st.Reset(b, http2.InternalError)
			events = ignored{}
		}
	}()
	up := g.Decision.Upstream
	if !g.Place.TryTake(up.Queue) || g.Attempt.Pick(g.Decision) != nil {
		return nil
	}
	server := forward.ReserveH2(g.Attempt.Endpoint)
	if server == nil {
		return nil
	}
	reserved = server
	r = &relay{conn: c, client: st, endpoint: g.Attempt.Endpoint}
	http2.CopyHead(&r.req, h)
	if end {
		r.req.Body = message.NoBody
	}
	f := b.Fields()
	forward.FillRequest(f, &r.req, g.Decision, &c.Client, g.Attempt.Endpoint.Address(), &c.Work)
	reserved = nil
	if !r.open(b, server, f, end, g) {
		return nil
	}
	return (*clientEvents)(r)
}

// open opens the stream upstream, by the head f, in the place that was reserved for it.
func (r *relay) open(b *http2.Batch, server *http2.Client, f *http2.Fields, end bool, g *forward.Given) bool {
	r.mu.Lock() // events of the stream may come before OpenReserved returns
	defer r.mu.Unlock()
	st, err := server.OpenReserved(b, f, end, (*serverEvents)(r), r.client)
	if err != nil {
		return false
	}
	r.server = st
	r.decision, r.attempt, r.place = *g.Decision, g.Attempt, g.Place // from here on they are not g's any more
	r.decision.Detach()
	r.record = forward.NewRecord(g.Start)
	r.client.SetStallTimeout(r.decision.Route.Config.Timeouts.Write)
	r.toDown.Init(st, false)
	r.attempt.Begin(g.Start)
	r.received.Store(int64(len(r.req.Buf)))
	r.record.Begin(&r.conn.Client, r.decision.Method)
	switch {
	case end:
		r.request = requestSent
	default:
		r.toUp.Init(r.client, true)
		_ = r.toUp.Start(b, st) // nothing has come yet that it could not pass on
		if r.req.Expect100 {
			r.request = requestExpected
		}
		r.awaitBody()
	}
	r.awaitHead()
	return true
}

// giveUp ends what a panic has left behind. r may be nil.
func (r *relay) giveUp(b *http2.Batch, g *forward.Given) {
	defer func() { _ = recover() }() // what is broken may be what the record is made of
	if r == nil || r.server == nil {
		g.GiveUp()
		return
	}
	r.server.Reset(b, http2.Cancel)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.record.Status = 500 // what it would have been: the client sees a reset
	r.finish(cluster.Ignored)
}

// ignored takes the events of a stream that was reset.
type ignored struct{}

func (ignored) Head(*http2.Batch, *http2.Stream, *message.Head, bool)   {}
func (ignored) Data(b *http2.Batch, s *http2.Stream, p []byte, _ bool)  { s.Consumed(b, len(p)) }
func (ignored) Trailers(*http2.Batch, *http2.Stream, *message.Head)     {}
func (ignored) Reset(*http2.Batch, *http2.Stream, http2.ErrCode, error) {}
func (ignored) Writable(*http2.Batch, *http2.Stream)                    {}
func (ignored) Timeout(*http2.Batch, *http2.Stream)                     {}

// end records a request whose response is whole.
func (r *relay) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finish(r.outcome())
}

// outcome is what the response, as far as it has come, says about the endpoint.
//
// +checklocks:r.mu
func (r *relay) outcome() cluster.Outcome {
	return forward.ResponseOutcome(r.decision.Upstream.Failures, r.record.Status, r.record.GRPCStatus)
}

// finish records the request, once, and gives back what it was given.
//
// +checklocks:r.mu
func (r *relay) finish(o cluster.Outcome) {
	if r.response == done {
		return
	}
	r.response = done
	r.attempt.Done(o) // what is given back comes before what may go wrong in the record
	r.place.Leave()
	r.record.EndActive()
	c, now := r.decision.Upstream.Cluster, r.conn.Engine.Now()
	if r.attempt.HeadAt > 0 {
		r.attempt.Responded(c, r.record.Status, now)
	} else if !r.record.Unheard() {
		r.attempt.Failed(c, r.record.Flag, now)
	}
	r.record.Read, r.record.Written = r.received.Load(), r.sent.Load()
	r.record.Write(r.conn.Engine, &r.conn.Client, &r.decision, &r.attempt, &r.req)
}

// fail ends the request: with a local reply where no response has begun, else by trailers or a reset, as package
// forward says.
func (r *relay) fail(b *http2.Batch, reply *route.LocalReply) {
	r.toUp.Stop(b)
	was, trailers := r.failed(reply)
	gone := reply.Flag == telemetry.DC
	if gone || was != done && !trailers { // else the client gets what has come
		r.toDown.Stop(b)
	}
	switch {
	case was == failing || was == done:
		return
	case gone:
	case trailers:
		r.endCall(b, reply)
	case was == streaming, forward.Unprocessed(reply.Cause):
		r.client.Reset(b, forward.ResetCode(reply))
	default:
		r.reply(b, reply)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finish(forward.Outcome(reply))
}

// failed notes the reply, unless the request has failed or ended already. was is how far the response had come;
// trailers: they are to end it.
func (r *relay) failed(reply *route.LocalReply) (was responseState, trailers bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.response == failing || r.response == done {
		return r.response, false
	}
	was, r.response = r.response, failing
	r.record.Fail(r.conn.Engine, reply, r.decision.GRPC, was == streaming)
	trailers = was == streaming && r.takesStatus && forward.EndsCall(reply)
	if was == streaming && !trailers {
		r.record.NoteReset(r.decision.GRPC, reply)
	}
	if trailers && r.request != requestSent { // the rest of it is of no use
		r.refused, r.code = true, http2.NoError
	}
	if forward.Outcome(reply) != cluster.Ignored {
		r.attempt.Explain(r.decision.Upstream.Cluster, reply, r.conn.Engine.Logger)
	}
	return was, trailers
}

// endCall ends a call of gRPC by trailers, behind what the client still has to take of its response.
func (r *relay) endCall(b *http2.Batch, reply *route.LocalReply) {
	f := b.Fields()
	forward.FillStatus(f, reply)
	_ = r.toDown.Trailers(b, f) // where they are too large for the client, its stream was reset
	r.refuseRest(b)
}

// refuseRest tells the client that no more of the request is wanted, once the client has all of the response.
// A reset would cost it the rest.
func (r *relay) refuseRest(b *http2.Batch) {
	r.mu.Lock()
	refused, code := r.refused, r.code
	r.mu.Unlock()
	if refused && r.toDown.Over() {
		r.client.Reset(b, code)
	}
}
