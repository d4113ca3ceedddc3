package proxy

import (
	"errors"
	"runtime"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
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
		err = netio.ErrTimeout
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
	if err != nil && (sent == 0 || errors.Is(err, netio.ErrTimeout)) {
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
