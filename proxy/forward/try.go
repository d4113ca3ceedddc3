package forward

import (
	"errors"
	"io"
	"runtime"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// result is how one attempt ended.
type result struct {
	outcome cluster.Outcome   // for the endpoint's health
	reply   *route.LocalReply // nil: the client has its response
	unsent  bool              // with a reply: no byte of the request was written
	parked  bool              // it has not ended: resume goes on with it
}

// errUnexpectedSwitch is a 101 that nobody asked for.
var errUnexpectedSwitch = &http1.Error{Status: 502, Text: "unexpected 101 Switching Protocols"}

// try makes one attempt: it sends the request to the endpoint that was picked and passes the response on. A connection
// that the endpoint closed while it was idle is not held against anybody. Where that is safe the request goes out once
// more, on a fresh one.
func (ex *exchange) try() result {
	if s := ex.attempt.state; s == silent || s == unread {
		ex.attempt.state = inFlight
		return ex.passOn(ex.attempt.up)
	}
	u, err := ex.connection()
	if err != nil {
		return ex.failed(err, true)
	}
	sent, err := ex.roundTrip(u)
	if err == errParked { //nolint:errorlint // nothing of ex may be touched, and nothing wraps it
		return result{parked: true}
	}
	if err != nil && ex.stale(u, err, sent) {
		_ = u.Close()
		if u, err = ex.lease(true); err != nil {
			return ex.failed(err, sent == 0)
		}
		if sent, err = ex.roundTrip(u); err == errParked { //nolint:errorlint // as above
			return result{parked: true}
		}
	}
	if err == nil && ex.dropsResponse() {
		ex.upload.stop(u)
		_ = u.Close() // the rest of a response that nobody gets
		ex.attempt.Responded(ex.cluster(), ex.resp.Status, ex.now())
		return result{outcome: ex.dropped(), reply: replyRetry}
	}
	if err != nil {
		ex.upload.stop(u)
		_ = u.Close() // whatever comes on it now belongs to nobody
		return ex.failed(err, sent == 0)
	}
	if ex.state == tunnelled {
		return ex.switchProtocols(u)
	}
	return ex.deliver(u)
}

func (ex *exchange) cluster() *cluster.Cluster { return ex.decision.Upstream.Cluster }

// connection is what the attempt goes out on. It is the one on which the request was sent already, or one that is open
// and silent as far as can be known.
func (ex *exchange) connection() (upstream, error) {
	a := &ex.attempt
	if a.state != picked {
		return a.up, nil // begun by sendInline, or parked
	}
	a.Begin(ex.now())
	u, err := ex.lease(false)
	if err == nil && !ex.sound(u) {
		_ = u.Close()
		return ex.lease(true)
	}
	return u, err
}

// sound tells whether the request may go out on u. While u was idle, the endpoint may have closed it: then a request
// that cannot be repeated would be lost. Or it may have sent something unasked, which would be taken for the response.
// A look finds both. It is left out for a short idle time, where the request is whole and can be repeated.
func (ex *exchange) sound(u upstream) bool {
	switch u.Standing(ex.attempt.Start) {
	case unused:
		return true
	case current:
		if ex.replayable() && ex.down.Ended() {
			return true
		}
	}
	return u.Usable()
}

// stale tells whether an attempt failed only because its connection was closed by the endpoint while it was idle, and
// can be made again.
func (ex *exchange) stale(u upstream, err error, sent int64) bool {
	var ours *route.LocalReply
	if u.Standing(ex.attempt.Start) == unused || ex.down.Began() ||
		!brokeOff(err) || errors.As(err, &ours) || errors.Is(err, http2.ErrReset) {
		return false
	}
	ex.upload.stop(u)
	return ex.upload.buffer.whole() && (sent == 0 || ex.replayable())
}

// lease connects to the endpoint that was picked, within the time that the request has left.
func (ex *exchange) lease(fresh bool) (upstream, error) {
	d := &ex.decision
	within, until := connectWithin(ex.now(), d.Deadline, ex.attempt.Start, ex.policy().PerTry, d.Upstream.Connect)
	if within <= 0 {
		return nil, replyDeadline // nobody was asked
	}
	u, err := ex.engine.lease(d.Upstream, ex.attempt.Endpoint, fresh, within)
	if err != nil {
		if within < d.Upstream.Connect && ex.now() >= until && UpstreamReply(err).Flag != telemetry.UO {
			err = netio.ErrTimeout
		}
		return nil, err
	}
	ex.attempt.up = u
	u.SetWriteTimeout(d.Table.Timeouts.Write)
	return u, nil
}

// failed turns an error that came before the response began into a result, and counts the attempt.
func (ex *exchange) failed(err error, unsent bool) result {
	now := ex.now()
	var r *route.LocalReply
	if !errors.As(err, &r) {
		r = Late(UpstreamReply(err), &ex.decision, now)
	}
	if r.Flag != telemetry.UO {
		ex.attempt.Failed(ex.cluster(), r.Flag, now)
	}
	ex.attempt.Explain(ex.cluster(), r, ex.engine.Logger)
	return result{outcome: Outcome(r), reply: r, unsent: unsent}
}

// send writes the request, unless it has gone out inline. sent is how many bytes went out.
func (ex *exchange) send(u upstream, whole bool) (sent int64, err error) {
	if ex.attempt.state != inFlight {
		err = u.Flush() // mostly nothing is left
		return u.Sent(), err
	}
	ex.out = outgoing{head: ex.requestHead(), body: ex.upload.buffer.data, whole: whole, from: ex.down}
	if whole {
		ex.out.trailers = vetRequestTrailers(ex.down.Trailers(), &ex.decision)
	}
	err = u.Send(&ex.out)
	ex.out = outgoing{}
	ex.work.trim()
	runtime.Gosched() // others go first: by the time this goroutine is back, the response may be there
	return u.Sent(), err
}

// roundTrip writes the request and waits for the head of the final response, passing interim ones on. sent is how many
// bytes went out.
func (ex *exchange) roundTrip(u upstream) (sent int64, err error) {
	if ex.attempt.state == waiting {
		return ex.finalHead(u, u.Sent())
	}
	ex.attempt.HeadAt = 0
	ex.upload.sentAt.Store(0)
	whole := ex.down.Ended()
	sent, err = ex.send(u, whole)
	ex.down.Watch(u)
	switch {
	case whole:
		ex.upload.sentAt.Store(ex.now())
	case err == nil:
		ex.upload.start(u) // from here on the writing side is its
	}
	// An endpoint may answer and close before it has read everything: the response counts, if there is one.
	if err != nil && (sent == 0 || errors.Is(err, netio.ErrTimeout)) {
		ex.attempt.state = inFlight
		return sent, err
	}
	ex.attempt.sendErr = err
	return ex.finalHead(u, sent)
}

// finalHead is what roundTrip does once the request was sent, as far as it was.
func (ex *exchange) finalHead(u upstream, sent int64) (int64, error) {
	for {
		herr := ex.head(u)
		if herr == errParked { //nolint:errorlint // nothing of ex may be touched, and nothing wraps it
			return 0, errParked
		}
		if herr != nil {
			if ex.attempt.sendErr != nil {
				herr = ex.attempt.sendErr
			}
			if Unprocessed(herr) {
				sent = 0 // as good as
			}
			return sent, herr
		}
		final, err := ex.interim(u)
		if err != nil {
			return sent, err
		}
		if final {
			ex.attempt.HeadAt = ex.now()
			return sent, nil
		}
	}
}

// head reads one response head, or takes the one that was read inline.
func (ex *exchange) head(u upstream) error {
	state := ex.attempt.state
	ex.attempt.state = inFlight
	if state == headRead {
		return ex.attempt.headErr
	}
	return ex.awaitHead(u, state == waiting)
}

// interim passes a head that is not final on, and tells whether it is.
func (ex *exchange) interim(u upstream) (final bool, err error) {
	h := &ex.resp
	switch {
	case h.Status >= 200:
		return true, nil
	case h.Status == 101:
		if !ex.decision.Offers(&ex.req, h.Upgrade) {
			return false, errUnexpectedSwitch
		}
		ex.state = tunnelled
		return true, nil
	}
	if err := ex.down.Inform(h); err != nil {
		return false, ReplyGone
	}
	if h.Status == 100 {
		ex.upload.continued()
	}
	u.Interim()
	return false, nil
}

// awaitHead reads one response head. Every now and then it polls whether the client is still there.
func (ex *exchange) awaitHead(u upstream, resumed bool) error {
	wait := HeadWait{
		Deadline: ex.decision.Deadline, Timeout: ex.decision.UpstreamTimeout(),
		AttemptStart: ex.attempt.Start, PerTry: ex.policy().PerTry,
	}
	begun := ex.now()
	if resumed {
		if ex.gone(true) {
			return ex.givenUp(u)
		}
	} else if at := ex.upload.sentAt.Load(); at > 0 {
		begun = at
	}
	poll := cluster.FirstPoll
	mayPark := !resumed // a second time it would be woken at once: by a client that has sent its next request
	if mayPark && !ex.upload.running {
		poll = parkAfter
	}
	for ; ; poll = min(2*poll, cluster.MaxPoll) {
		wait.Begun, wait.HalfClosed = ex.upload.timedFrom(), ex.halfClosed
		ex.down.Ahead(u)
		limit := wait.Until()
		u.SetReadDeadline(Earlier(limit, after(begun, poll)))
		err := u.Head(&ex.resp, ex.decision.Head)
		if err == nil {
			return nil
		}
		if r := ex.upload.fault(); r != nil {
			return r
		}
		begun = ex.now()
		switch {
		case errors.Is(err, netio.ErrInterrupted):
			if ex.down.Hangup() == netio.Reset {
				return ex.givenUp(u)
			}
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case !errors.Is(err, netio.ErrTimeout):
			return err
		case ex.gone(ex.upload.sentAt.Load() > 0):
			return ex.givenUp(u)
		case Passed(limit, begun):
			u.TimedOut(ex.attempt.Endpoint, ex.attempt.Start, begun)
			return netio.ErrTimeout
		case mayPark && ex.park(u, limit):
			return errParked
		}
	}
}

// givenUp is what awaitHead gives when the client has left. The endpoint owes something once it has all of the request.
func (ex *exchange) givenUp(u upstream) error {
	if ex.upload.sentAt.Load() > 0 {
		u.GivenUp(ex.attempt.Endpoint, ex.attempt.Start, ex.now())
	}
	return ReplyGone
}
