package proxy

import (
	"errors"
	"io"
	"runtime"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/sock"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// result is how one try ended.
type result struct {
	outcome cluster.Outcome // for the endpoint's health
	fault   *fault          // nil: the client has its answer
	unsent  bool            // with a fault: no byte of the request was written
}

// try sends the request to the picked endpoint and passes the answer on. A connection that the endpoint closed while it was idle is not
// held against anybody: where that is safe the request goes out once more, on a fresh one.
func (ex *exchange) try() result {
	u, err := ex.connection()
	if err != nil {
		return ex.failed(err, true)
	}
	sent, err := ex.roundTrip(u)
	if err != nil && ex.stale(u, err, sent) {
		_ = u.Close()
		if u, err = ex.lease(true); err != nil {
			return ex.failed(err, sent == 0)
		}
		sent, err = ex.roundTrip(u)
	}
	if err == nil && ex.repeatsAnswer() {
		ex.stopUpload(u)
		_ = u.Close() // the rest of an answer that nobody gets
		ex.up.cluster.Telemetry().RecordRequest(ex.resp.Status, time.Duration(ex.now()-ex.tryStart))
		return result{outcome: cluster.ServerError, fault: faultTryAgain}
	}
	if err != nil {
		ex.stopUpload(u)
		_ = u.Close() // whatever comes on it now belongs to nobody
		return ex.failed(err, sent == 0)
	}
	if ex.tunnel {
		return ex.switchProtocols(u)
	}
	return ex.deliver(u)
}

// connection is what the try goes out on: the one that it has gone out on already, or one that is open and silent as far as can be known.
func (ex *exchange) connection() (leased, error) {
	if ex.early.u != nil {
		ex.using = ex.early.u
		return ex.early.u, nil
	}
	ex.tryStart = ex.now()
	u, err := ex.lease(false)
	if err == nil && !ex.sound(u) {
		_ = u.Close()
		return ex.lease(true)
	}
	return u, err
}

// sound tells whether the request may go out on u. A connection that was closed, or sent what nobody asked for, while it was idle must not
// carry a request that could not be repeated, nor what came unasked be taken for the answer.
func (ex *exchange) sound(u leased) bool {
	if !u.Reused() || u.Trusted(ex.tryStart) && ex.replayable() && ex.d.Ended() {
		return true
	}
	return u.Quiet()
}

// stale tells whether a try failed only because its connection was closed by the endpoint while it was idle, and can be made again.
func (ex *exchange) stale(u leased, err error, sent int64) bool {
	var ours *fault
	if !u.Reused() || !brokeOff(err) || errors.As(err, &ours) || errors.Is(err, http2.ErrReset) || ex.d.Began() {
		return false
	}
	ex.stopUpload(u)
	return ex.bodyHeld() && (sent == 0 || ex.replayable())
}

// lease connects to the picked endpoint, within the time that the request has left.
func (ex *exchange) lease(fresh bool) (leased, error) {
	within := ex.up.connect
	limit := ex.deadline
	if d := ex.rt.retry.perTry; d > 0 {
		limit = sooner(limit, ex.tryStart+int64(d))
	}
	if limit > 0 {
		within = min(within, time.Duration(limit-ex.now()))
	}
	if within <= 0 {
		return nil, faultDeadline // nobody was asked
	}
	u, err := ex.up.lease(ex.s, ex.ep, fresh, within)
	if err != nil && within < ex.up.connect && ex.now() >= limit && upstreamFault(err).flag != telemetry.UO {
		err = sock.ErrTimeout
	}
	if err == nil {
		ex.using = u
		u.SetWriteTimeout(ex.t.timeouts.Write)
	}
	return u, err
}

// failed turns an error that came before the answer began into a result, and counts the try.
func (ex *exchange) failed(err error, unsent bool) result {
	var f *fault
	if !errors.As(err, &f) {
		f = ex.late(upstreamFault(err))
	}
	if f.flag != telemetry.UO {
		ex.up.cluster.Telemetry().RecordFailure(f.flag, time.Duration(ex.now()-ex.tryStart))
	}
	ex.explain(f)
	return result{f.outcome(), f, unsent}
}

// explain tells the operator, once, what is wrong with an endpoint; connecting tells so itself.
func (ex *exchange) explain(f *fault) {
	if f == faultDeadline {
		return
	}
	switch f.flag {
	case telemetry.UC, telemetry.UPE, telemetry.UT:
		if ex.ep.Explain(f.Error()) {
			ex.s.logger.Warn("endpoint", "cluster", ex.up.cluster.Name(), "address", ex.ep.Address(), "flag", f.flag.String(), "error", f)
		}
	}
}

// roundTrip writes the request and waits for the head of the final answer, passing interim ones on. sent is how many bytes went out.
func (ex *exchange) roundTrip(u leased) (sent int64, err error) {
	ex.headAt = 0
	ex.sentAt.Store(0)
	whole := ex.d.Ended()
	early := ex.early
	ex.early = early1{}
	if early.u != nil {
		err = u.Flush() // mostly nothing is left
	} else {
		err = u.Send(ex, whole)
		runtime.Gosched() // others go first: by the time this goroutine is back, the answer may be there
	}
	ex.d.Watch(u)
	sent = u.Sent()
	switch {
	case whole:
		ex.sentAt.Store(ex.now())
	case err == nil:
		ex.startUpload(u) // from here on the writing side is its
	}
	// An endpoint may answer and close before it has read everything: the answer counts, if there is one.
	if err != nil && (sent == 0 || errors.Is(err, sock.ErrTimeout)) {
		return sent, err
	}
	for {
		herr := early.err
		if early.head {
			early.head = false
		} else {
			herr = ex.awaitHead(u)
		}
		if herr != nil {
			if err != nil {
				herr = err
			}
			if errors.Is(herr, http2.ErrUnprocessed) {
				sent = 0 // as good as
			}
			return sent, herr
		}
		if ex.resp.Status >= 200 {
			break
		}
		if ex.resp.Status == 101 {
			if !ex.offered(ex.resp.Upgrade) {
				return sent, errUnexpectedSwitch
			}
			ex.tunnel = true
			break
		}
		if err := ex.d.Inform(&ex.resp); err != nil {
			return sent, faultGone
		}
		if ex.resp.Status == 100 {
			ex.ask()
		}
		u.Interim()
	}
	ex.headAt = ex.now()
	return sent, nil
}

// The first look at the client while it waits comes after firstNudge, later ones up to lastNudge apart.
const (
	firstNudge = 100 * time.Millisecond
	lastNudge  = 500 * time.Millisecond
	// halfClosedGrace is how long a client that has ended its side after a whole request is still taken for one that only half-closed.
	halfClosedGrace = time.Second
)

// awaitHead reads one response head. Every now and then it looks whether the client is still there.
func (ex *exchange) awaitHead(u leased) error {
	timeout := ex.rt.cfg.Timeouts.Upstream
	if ex.grpc {
		timeout = ex.rt.cfg.Timeouts.UpstreamGRPC
	}
	begun := ex.now()
	if at := ex.sentAt.Load(); at > 0 {
		begun = at
	}
	for nudge := int64(firstNudge); ; nudge = min(2*nudge, int64(lastNudge)) {
		limit := ex.deadline
		at := ex.sentAt.Load()
		if at == 0 && ex.upload.running {
			at = sooner(ex.upload.stuck.Load(), ex.upload.unasked.Load())
		}
		if at > 0 && timeout > 0 {
			limit = sooner(limit, at+int64(timeout))
		}
		if d := ex.rt.retry.perTry; d > 0 {
			limit = sooner(limit, ex.tryStart+int64(d))
		}
		if ex.halfClosed > 0 {
			limit = sooner(limit, ex.halfClosed+int64(halfClosedGrace))
		}
		u.SetReadDeadline(sooner(limit, begun+nudge))
		err := u.Head(ex)
		if err == nil {
			return nil
		}
		if uerr := ex.uploadFault(); uerr != nil {
			return uerr
		}
		if errors.Is(err, sock.ErrInterrupted) {
			if ex.d.Hangup() == sock.Reset {
				return faultGone
			}
			begun = ex.now()
			continue
		}
		if !errors.Is(err, sock.ErrTimeout) {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		begun = ex.now()
		switch {
		case ex.gone(ex.sentAt.Load() > 0):
			return faultGone
		case limit > 0 && begun >= limit:
			return sock.ErrTimeout
		}
	}
}

// gone looks whether the client is gone. One that has only ended its side is not yet, where the request is whole: it is given halfClosedGrace for
// an answer to begin, over all tries. Where it is not, whoever reads the rest will find out.
func (ex *exchange) gone(whole bool) bool {
	switch ex.d.Hangup() {
	case sock.Reset:
		return true
	case sock.HalfClosed:
		if ex.halfClosed == 0 && whole {
			ex.halfClosed = ex.now()
		}
	}
	return ex.halfClosed > 0 && ex.now() >= ex.halfClosed+int64(halfClosedGrace)
}

// sooner is the earlier of two moments, of which 0 is never.
func sooner(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// deliver passes the final answer on: head, body, trailers. From here on the client can only be told of a fault by breaking off.
func (ex *exchange) deliver(u leased) result {
	h := &ex.resp
	ex.endRetry()
	ex.status = h.Status
	ex.noteGRPC(h)
	if !ex.requestRead() {
		ex.closing = true // the answer came before the request was through: the rest of it is not to be taken for another request
	}
	if ex.upload.running {
		ex.upload.answered.Store(true)
		ex.d.SetReadDeadline(0)
	}
	if !ex.upload.running {
		ex.letGo()
	}
	u.Answer(h)
	err := ex.d.Begin(ex, h)
	var source error // what went wrong upstream
	if err == nil {
		source, err = ex.stream(u)
	}
	early := ex.endUploadOn(u)
	now := ex.now()
	ex.endAt = now
	switch {
	case source != nil:
		f := ex.late(upstreamFault(source))
		_ = u.Close() // its answer is broken
		ex.up.cluster.Telemetry().RecordFailure(f.flag, time.Duration(now-ex.tryStart))
		return result{f.outcome(), f, false}
	case err != nil:
		_ = u.Close() // the rest of its answer is of no use
		ex.up.cluster.Telemetry().RecordRequest(h.Status, time.Duration(now-ex.tryStart))
		var f *fault
		if !errors.As(err, &f) {
			f = &fault{499, telemetry.DC, "client went away", err}
		}
		return result{cluster.ClientGone, f, false}
	}
	ex.up.cluster.Telemetry().RecordRequest(h.Status, time.Duration(now-ex.tryStart))
	if early {
		_ = u.Close() // it has not had the whole request
	} else {
		ex.using = nil
		u.GiveBack(ex)
	}
	return result{ex.outcome(), nil, false}
}

// provenAfter is how long an answer has to last for its endpoint to be believed before it is whole. The head alone proves little, but a probe
// that streams for hours must not keep an endpoint out for as long.
const provenAfter = time.Second

// stream moves the answer's body. It writes when the upstream has nothing more at hand, or the buffer is full. Every now and then it looks
// whether the client is still there: a silent upstream would not tell.
func (ex *exchange) stream(u leased) (upstream, downstream error) {
	idle := int64(ex.rt.cfg.Timeouts.ResponseIdle)
	look := ex.headAt + int64(lastNudge) // at the client
	since := int64(0)                    // when the upstream fell silent, if there is a limit to that
	proven := ex.outcome() != cluster.Success
	u.SetReadDeadline(sooner(ex.deadline, look))
	for {
		if !u.Ready() {
			if err := ex.d.Flush(); err != nil {
				return nil, err
			}
			if idle > 0 {
				if since == 0 {
					since = ex.now()
				}
				u.SetReadDeadline(sooner(sooner(ex.deadline, look), since+idle))
			}
		}
		p, err := u.Next()
		switch {
		case err == nil:
			since = 0
			if err := ex.d.Body(p); err != nil {
				return nil, err
			}
		case errors.Is(err, io.EOF):
			ex.noteGRPC(u.Trailers())
			return nil, ex.d.End(u.Trailers())
		case errors.Is(err, sock.ErrInterrupted):
			if f := ex.uploadFault(); f != nil {
				return nil, f
			}
			if ex.d.Hangup() == sock.Reset {
				return nil, faultGone
			}
		case errors.Is(err, sock.ErrTimeout):
			now := ex.now()
			if ex.deadline > 0 && now >= ex.deadline || since > 0 && now >= since+idle {
				return err, nil
			}
			if ex.d.Hangup() == sock.Reset {
				return nil, faultGone
			}
			if !proven && now >= ex.headAt+int64(provenAfter) {
				proven = true // once: later on it says nothing new
				ex.ep.Report(cluster.Success)
			}
			look = now + int64(lastNudge)
			u.SetReadDeadline(sooner(ex.deadline, look))
		default:
			return err, nil
		}
	}
}
