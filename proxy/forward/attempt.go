package forward

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Attempt is one attempt to have a request answered: the endpoint, its moments, and what is told of it. Later attempts
// of the same request use it again. It belongs to whoever carries the request.
type Attempt struct {
	Endpoint *cluster.Endpoint
	Number   int   // of attempts so far
	Start    int64 // on the sweeper's clock
	HeadAt   int64 // the response head came; 0: not yet

	tried   cluster.Tried
	ended   []telemetry.Attempt // the attempts before this one, each of which has failed
	state   attemptState
	ejected bool // passive health took the endpoint out because of it

	// Of an attempt with a goroutine.
	up      upstream // the connection that was leased last; nil: none, or it may be somebody else's already
	sendErr error    // what kept the rest of the request from being sent
	headErr error    // with headRead: what came of reading the head
	since   int64    // with silent: when that began, if there is a limit to it; else 0
	proven  bool     // the response has lasted for long
}

// attemptState is how far an attempt has come.
type attemptState uint8

const (
	unleased   attemptState = iota // none is leased
	picked                         // an endpoint is leased, nothing was sent to it
	sentInline                     // the reading goroutine of the client's connection has sent the request
	headRead                       // it has read the first head of the response too, or has failed to
	inFlight                       // under way
	waiting                        // the request is sent; the response is waited for without a goroutine
	silent                         // the endpoint sends no more of the response now: that is waited for likewise
	unread                         // the client takes no more of it, likewise
)

func (a *Attempt) reset() { *a = Attempt{} }

// Pick leases the endpoint of the next attempt, unless one is leased already that has not been tried. The error is
// cluster.ErrNoEndpoint or cluster.ErrOverflow. Done ends the lease.
func (a *Attempt) Pick(d *route.Decision) error {
	if a.state == unleased {
		a.tried.Key = d.HashKey
		ep, err := d.Upstream.Cluster.Pick(&a.tried)
		if err != nil {
			return err
		}
		a.Endpoint, a.state = ep, picked
		d.Trace.Attempt(a.Number + 1)
	}
	return nil
}

// Begin starts the attempt on the endpoint that was picked.
func (a *Attempt) Begin(now int64) {
	a.Number++
	a.Start, a.HeadAt, a.state, a.ejected, a.proven = now, 0, inFlight, false, false
}

// Keep remembers that the attempt ended with reply, since another one follows. start is when the request came.
func (a *Attempt) Keep(reply *route.LocalReply, start, now int64) {
	t := a.try(start, now)
	t.Flag, t.Cause = reply.Flag, reply
	a.ended = append(a.ended, t)
}

// keepDropped is Keep for an attempt whose response, with this head, was dropped.
func (a *Attempt) keepDropped(grpc bool, h *message.Head, start, now int64) {
	t := a.try(start, now)
	t.Status = h.Status
	if code := grpcStatus(grpc, h); code != NoGRPCStatus {
		t.GRPC, t.GRPCStatus = true, code
	}
	a.ended = append(a.ended, t)
}

// attempts is how all attempts ended: those that were kept, and the last one as r has it.
func (a *Attempt) attempts(r *Record) []telemetry.Attempt {
	if len(a.ended) == a.Number {
		return a.ended
	}
	t := a.try(r.Start, r.End)
	t.Flag, t.Cause = r.Flag, r.Reason
	if a.HeadAt > 0 {
		t.Status, t.GRPC, t.GRPCStatus = r.Status, r.GRPCStatus != NoGRPCStatus, r.GRPCStatus
	}
	return append(a.ended, t)
}

func (a *Attempt) try(start, end int64) telemetry.Attempt {
	return telemetry.Attempt{
		Endpoint: a.Endpoint.Address(), After: time.Duration(a.Start - start), Took: time.Duration(end - a.Start),
		Ejected: a.ejected,
	}
}

// Done ends the lease of the endpoint, if there is one.
func (a *Attempt) Done(o cluster.Outcome) {
	if a.state != unleased {
		a.state = unleased
		if a.Endpoint.Done(o) {
			a.ejected = true
		}
	}
}

// Responded counts an attempt to which the endpoint responded with status.
func (a *Attempt) Responded(c *cluster.Cluster, status int, now int64) {
	took := time.Duration(now - a.Start)
	c.Telemetry().RecordRequest(status, took)
	a.Endpoint.Telemetry().Record(took, status >= 500)
}

// Failed counts an attempt that ended with flag instead of a whole response.
func (a *Attempt) Failed(c *cluster.Cluster, flag telemetry.Flag, now int64) {
	took := time.Duration(now - a.Start)
	c.Telemetry().RecordFailure(flag, took)
	a.Endpoint.Telemetry().Record(took, true)
}

// Explain tells the operator, once, what is wrong with an endpoint; connecting tells so itself.
func (a *Attempt) Explain(c *cluster.Cluster, r *route.LocalReply, logger hclog.Logger) {
	if r == replyDeadline {
		return
	}
	switch r.Flag {
	case telemetry.UC, telemetry.UPE, telemetry.UT:
		if a.Endpoint.Explain(r.Error()) {
			logger.Warn("endpoint failed",
				"cluster", c.Name(), "address", a.Endpoint.Address(), "flag", r.Flag.String(), "error", r)
		}
	}
}

// abandon ends the lease of the upstream connection after a panic, without a step into the state that may be broken.
func (a *Attempt) abandon() {
	switch u := a.up.(type) {
	case nil:
	case *upstreamH1:
		u.Cut()
		u.slot.Release()
	default:
		_ = u.Close() // the stream; the connection is others' too
	}
}
