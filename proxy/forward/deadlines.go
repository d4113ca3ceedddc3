package forward

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Moments are nanoseconds on the sweeper's clock, of which 0 is never. These rules are shared by every way to carry a
// request; none of them reads a clock.

const (
	// halfClosedGrace is how long a client that has ended its side after a whole request is still taken for one that
	// only half-closed. A response that begins by then is passed on.
	halfClosedGrace = time.Second
	// provenAfter is how long a response has to last for its endpoint to be believed before it is whole. The head alone
	// proves little, but a probe that streams for hours must not keep an endpoint out for as long.
	provenAfter = time.Second
)

// Earlier is the earlier of two moments.
func Earlier(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// after is the moment d after at; never without a positive d, or before at is known.
func after(at int64, d time.Duration) int64 {
	if at == 0 || d <= 0 {
		return 0
	}
	return at + int64(d)
}

// HeadWait is what decides how long the head of a response is waited for.
type HeadWait struct {
	Deadline int64 // of the whole request
	// since when the endpoint has its time: the request was sent, or it keeps us from sending
	Begun        int64
	Timeout      time.Duration // timeouts.upstream, or upstream_grpc
	AttemptStart int64
	PerTry       time.Duration // retries.per_try_timeout
	HalfClosed   int64         // when the client was first seen to have ended its side
}

// Until is when the wait ends without a head.
func (w HeadWait) Until() int64 {
	limit := Earlier(w.Deadline, after(w.Begun, w.Timeout))
	limit = Earlier(limit, after(w.AttemptStart, w.PerTry))
	return Earlier(limit, after(w.HalfClosed, halfClosedGrace))
}

// parkUntil is until when a wait that ends at limit may be one without a goroutine, whose end may be told late. It is
// not worth while where long is false.
func parkUntil(limit, now int64) (until int64, long bool) {
	if limit == 0 {
		return 0, true
	}
	until = limit - int64(netio.ParkedPeriod)
	return until, until >= now+int64(netio.ParkedPeriod)
}

// connectWithin is how long connecting may take from now. It is timeout, but not beyond until, which is the deadline
// of the request or the end of the attempt's time. It is 0 if there is neither. Where until has passed, within is not
// positive.
func connectWithin(now, deadline, attemptStart int64, perTry, timeout time.Duration) (
	within time.Duration, until int64,
) {
	until = Earlier(deadline, after(attemptStart, perTry))
	if until == 0 {
		return timeout, 0
	}
	return min(timeout, time.Duration(until-now)), until
}

// BodyWait is what decides how long the next piece of a request's body is waited for.
type BodyWait struct {
	Read       time.Duration // timeouts.read; 0 none
	GRPC       bool          // a caller of gRPC may be silent in a call for as long as it likes
	Answered   bool          // the response has begun: the client may take its time
	Unprompted bool          // the client waits for a 100 (Continue), so it is right to be silent
}

// Until is when the wait that begins now ends. patient tells that the client may be silent for longer.
func (w BodyWait) Until(now int64) (at int64, patient bool) {
	if w.GRPC || w.Answered {
		return 0, true
	}
	return after(now, w.Read), w.Unprompted
}

// ResponseWait is what decides how long the next piece of a response's body is waited for.
type ResponseWait struct {
	Deadline int64         // of the whole request
	Idle     time.Duration // timeouts.response_idle; 0 none
}

// Until is when the wait ends; 0: never. silent is when the endpoint fell silent. It is 0 while the endpoint is not
// waited for, since the client takes nothing.
func (w ResponseWait) Until(silent int64) int64 { return Earlier(w.Deadline, after(silent, w.Idle)) }

// ProvenAt is when a response whose head came at headAt has lasted long enough for its endpoint to be believed.
func ProvenAt(headAt int64) int64 { return headAt + int64(provenAfter) }

// Passed tells whether the moment at has come.
func Passed(at, now int64) bool { return at > 0 && now >= at }

// halfClosedTooLong tells whether a client that was first seen to have ended its side at that moment is given up.
func halfClosedTooLong(at, now int64) bool { return Passed(after(at, halfClosedGrace), now) }
