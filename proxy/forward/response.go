package proxy

import (
	"errors"
	"io"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

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
		if errors.Is(err, netio.ErrInterrupted) {
			if ex.d.Hangup() == netio.Reset {
				return faultGone
			}
			begun = ex.now()
			continue
		}
		if !errors.Is(err, netio.ErrTimeout) {
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
			return netio.ErrTimeout
		}
	}
}

// gone looks whether the client is gone. One that has only ended its side is not yet, where the request is whole: it is given halfClosedGrace for
// an answer to begin, over all tries. Where it is not, whoever reads the rest will find out.
func (ex *exchange) gone(whole bool) bool {
	switch ex.d.Hangup() {
	case netio.Reset:
		return true
	case netio.HalfClosed:
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
		ex.d.Watch(nil) // from here on u may be another request's
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
		case errors.Is(err, netio.ErrInterrupted):
			if f := ex.uploadFault(); f != nil {
				return nil, f
			}
			if ex.d.Hangup() == netio.Reset {
				return nil, faultGone
			}
		case errors.Is(err, netio.ErrTimeout):
			now := ex.now()
			if ex.deadline > 0 && now >= ex.deadline || since > 0 && now >= since+idle {
				return err, nil
			}
			if ex.d.Hangup() == netio.Reset {
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
