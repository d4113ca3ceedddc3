package proxy

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// upload is the request body's way upstream. What lies in the buffer when the head has been read goes along with the head; a second
// goroutine exists only while there is more to come.
type upload struct {
	running  bool                  // the exchange's own view: started and not waited for
	kept     atomic.Uint32         // whether all that was read of the body is held: see held.go
	read     atomic.Bool           // the whole body has been read from the client
	answered atomic.Bool           // the response head has passed: the client may take its time
	fault    atomic.Pointer[fault] // why it ended early, if the client is to blame
	stuck    atomic.Int64          // when the upstream ceased to take the body; 0: it has not
	unasked  atomic.Int64          // since when the client waits for a 100 (Continue) of the upstream; 0: it does not
	asked    bool                  // the 100 has been passed on
	done     chan struct{}         // holds a token when the goroutine has ended
}

// hold reads what has come of the body already, without waiting: every try sends it along with the head.
func (ex *exchange) hold() *fault {
	if ex.d.Ended() {
		return nil
	}
	ex.d.SetReadDeadline(ex.start + int64(ex.t.timeouts.Read))
	most := holdBytes
	if ex.rt.retry.repeats {
		most = repeatBytes
	}
	for !ex.d.Ended() && ex.d.Ready() && len(ex.held) < most {
		if ex.held != nil {
			ex.gather(nil) // the next piece may overwrite it
		}
		p, err := ex.d.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ex.bodyFault(err)
		}
		if f := ex.countBody(len(p)); f != nil {
			return f
		}
		if ex.held == nil {
			ex.held = p // mostly all there is
			continue
		}
		ex.gather(p)
	}
	return nil
}

// countBody holds the body to limits.max_body.
func (ex *exchange) countBody(n int) *fault {
	ex.bodyBytes += int64(n)
	if limit := ex.t.maxBody; limit > 0 && ex.bodyBytes > limit {
		return faultMaxBody
	}
	return nil
}

// bodyFault sorts an error of the client's side in the middle of a body.
func (ex *exchange) bodyFault(err error) *fault {
	var malformed *http1.Error
	switch {
	case errors.As(err, &malformed):
		return badRequest(malformed)
	case errors.Is(err, netio.ErrTimeout):
		return faultSlowBody
	}
	return &fault{499, telemetry.DC, "client went away", err}
}

// startUpload sends the rest of the body while the exchange waits for the answer.
func (ex *exchange) startUpload(u leased) {
	if ex.upload.done == nil {
		ex.upload.done = make(chan struct{}, 1)
	}
	ex.goOnHolding()
	ex.upload.read.Store(false)
	ex.upload.answered.Store(false)
	ex.upload.fault.Store(nil)
	ex.upload.stuck.Store(0)
	ex.upload.unasked.Store(0)
	if ex.req.Expect100 && !ex.upload.asked && ex.bodyBytes == 0 {
		ex.upload.unasked.Store(ex.now())
	}
	ex.upload.running = true
	go ex.runUpload(u)
}

// runUpload is the uploading goroutine. It is started by startUpload and waited for by endUploadOn.
func (ex *exchange) runUpload(u leased) {
	f := ex.copyBody(u)
	switch {
	case f != nil:
		ex.upload.fault.Store(f)
		u.Interrupt() // the exchange waits there
	case ex.sentAt.Load() == 0:
		ex.upload.stuck.Store(ex.now()) // from here on it has the time of upstream for its answer
	}
	ex.upload.done <- struct{}{}
}

// ask notes that the client has got a 100 (Continue): from here on it is its turn.
func (ex *exchange) ask() {
	ex.upload.asked = true
	if ex.upload.running && ex.upload.unasked.Swap(0) != 0 {
		ex.d.SetReadDeadline(ex.now() + int64(ex.t.timeouts.Read))
	}
}

// awaitBody sets the time for the next piece of the body. patient tells that it may well be later: a client that waits for a 100 of the upstream
// is right to be silent, and so is one that has its answer, or a caller of gRPC, whose stream no limit of ours cuts that it has not been told of.
func (ex *exchange) awaitBody() (patient bool) {
	if ex.grpc || ex.upload.answered.Load() {
		ex.d.SetReadDeadline(0)
		return true
	}
	patient = ex.upload.unasked.Load() != 0
	ex.d.SetReadDeadline(ex.now() + int64(ex.t.timeouts.Read)) // also then: ask may be doing the same
	return patient
}

// copyBody moves the body. It returns a fault if the client is the reason that it ended early; an upstream that takes no more is no fault
// here, since its answer may say why.
func (ex *exchange) copyBody(u leased) *fault {
	for patient := false; ; {
		if !ex.d.Ready() {
			if u.Flush() != nil {
				return nil //nolint:nilerr // see above
			}
			patient = ex.awaitBody()
		}
		p, err := ex.d.Next()
		switch {
		case err == nil:
			if ex.upload.unasked.Load() != 0 {
				ex.upload.unasked.Store(0) // it does not wait any longer
			}
			if f := ex.countBody(len(p)); f != nil {
				return f
			}
			ex.keep(p)
			if ex.d.Ended() {
				ex.upload.read.Store(true)
			}
			if u.Body(p) != nil {
				return nil //nolint:nilerr // see above
			}
		case errors.Is(err, io.EOF):
			ex.upload.read.Store(true)
			if u.End(vetted(ex.d.Trailers())) == nil {
				ex.sentAt.Store(ex.now())
			}
			return nil
		case errors.Is(err, netio.ErrTimeout) && (patient || ex.upload.answered.Load()):
		case errors.Is(err, netio.ErrInterrupted):
			return nil
		default:
			return ex.bodyFault(err)
		}
	}
}

// requestRead tells whether the whole request has been read from the client.
func (ex *exchange) requestRead() bool {
	if ex.upload.running {
		return ex.upload.read.Load()
	}
	return ex.d.Ended()
}

// uploadFault is what the client did wrong while its body was uploaded, nil if nothing.
func (ex *exchange) uploadFault() *fault {
	if !ex.upload.running {
		return nil
	}
	return ex.upload.fault.Load()
}

// skipBody reads what is at hand of the request's body and tells whether that was the rest of it.
func (ex *exchange) skipBody() bool {
	for !ex.d.Ended() && ex.d.Ready() {
		if _, err := ex.d.Next(); err != nil {
			break // at its end it has ended, else it never will
		}
	}
	return ex.d.Ended()
}

// endUploadOn is stopUpload at the end of an answer: a client that was stopped in the middle of its body can send no other request.
func (ex *exchange) endUploadOn(u leased) (early bool) {
	early = ex.stopUpload(u)
	if early {
		ex.closing = ex.closing || !ex.upload.read.Load()
	}
	return early
}

// stopUpload waits for the uploading goroutine, if there is one, and reports whether the request has not gone upstream whole. Then it may have
// been stopped, so that the upstream connection can carry nothing more. Another try goes on where it has stopped.
func (ex *exchange) stopUpload(u leased) (early bool) {
	if !ex.upload.running {
		return false
	}
	ex.upload.running = false
	if ex.sentAt.Load() > 0 {
		<-ex.upload.done // it has nothing left to do
		return false
	}
	if !ex.uploadEnds() {
		early = true
		u.Cut()          // wakes a blocked write
		ex.d.Interrupt() // or a blocked read
		<-ex.upload.done
		ex.d.ClearInterrupt()
	}
	return early || ex.sentAt.Load() == 0
}

// lastWrite is how long the uploading goroutine, when the answer is there, may take for the last bytes of a request that has all been read:
// an endpoint is quick to answer, and then both connections are as good as before.
const lastWrite = 20 * time.Millisecond

// uploadEnds tells whether the uploading goroutine has ended by itself.
func (ex *exchange) uploadEnds() bool {
	select {
	case <-ex.upload.done:
		return true
	default:
	}
	if !ex.upload.read.Load() {
		return false
	}
	t := time.NewTimer(lastWrite)
	defer t.Stop()
	select {
	case <-ex.upload.done:
		return true
	case <-t.C:
		return false
	}
}
