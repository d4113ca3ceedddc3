package forward

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// upload is the request body's way upstream. What lies in the buffer when the head has been read goes along with the
// head. A second goroutine exists only while there is more to come. The atomic fields are shared with that goroutine,
// which also owns read and buffer while it runs; the rest belongs to the exchange's.
type upload struct {
	engine   *Engine
	down     downstream
	decision *route.Decision // of the exchange
	wait     BodyWait
	maxBody  int64
	replays  bool // the route sends requests again
	expects  bool // the client waits for a 100 (Continue)

	shadow *shadow // the copy of the request, until it is sent; nil: there is none

	buffer replayBuffer
	bytes  int64 // of the body so far

	running  bool                             // started and not waited for
	asked    bool                             // the 100 (Continue) has been passed on
	done     chan struct{}                    // holds a token when the goroutine has ended
	sentAt   atomic.Int64                     // the whole request went upstream; 0: not yet
	read     atomic.Bool                      // the whole body has been read from the client
	answered atomic.Bool                      // the response head has passed: the client may take its time
	reply    atomic.Pointer[route.LocalReply] // why it ended early, if the endpoint is not to blame
	stuck    atomic.Int64                     // when the endpoint ceased to take the body; 0: it has not
	waiting  atomic.Int64                     // since when the client waits for a 100 (Continue); 0: it does not
}

// reset makes u ready for the next request of the same connection.
func (u *upload) reset() {
	u.buffer.reset()
	u.bytes, u.asked, u.shadow = 0, false, nil
	u.sentAt.Store(0)
	u.reply.Store(nil)
}

// prepare tells u about the request that has been decided on.
func (u *upload) prepare(ex *exchange) {
	t := ex.decision.Table
	u.wait = BodyWait{Read: t.Timeouts.Read, GRPC: ex.decision.GRPC}
	u.maxBody, u.replays, u.expects = t.MaxBody, ex.policy().Replays, ex.req.Expect100
	if !u.down.Ended() {
		u.down.SetReadDeadline(after(ex.record.Start, u.wait.Read))
	}
}

// gather reads what has come of the body already, without waiting: every attempt sends it along with the head.
func (u *upload) gather() *route.LocalReply {
	reply := u.readReady()
	if reply == nil && u.down.Ended() {
		u.sendCopy()
	}
	return reply
}

func (u *upload) readReady() *route.LocalReply {
	most := gatherBytes
	if u.replays {
		most = replayBytes
	}
	b := &u.buffer
	for !u.down.Ended() && u.down.Ready() && len(b.data) < most {
		if b.data != nil {
			b.gather(nil) // the next piece may overwrite it
		}
		p, err := u.down.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return bodyReply(err)
		}
		if r := u.count(len(p)); r != nil {
			return r
		}
		u.copyPiece(p, len(p))
		if b.data == nil {
			b.data = p // mostly all there is
			continue
		}
		b.gather(p)
	}
	return nil
}

// count holds the body to limits.max_body.
func (u *upload) count(n int) *route.LocalReply {
	u.bytes += int64(n)
	if u.maxBody > 0 && u.bytes > u.maxBody {
		return route.ReplyMaxBody
	}
	return nil
}

// bodyReply sorts an error of the client's side in the middle of a body.
func bodyReply(err error) *route.LocalReply {
	var malformed *http1.Error
	switch {
	case errors.As(err, &malformed):
		return BadRequest(malformed)
	case errors.Is(err, netio.ErrTimeout):
		return ReplySlowBody
	}
	return &route.LocalReply{Status: 499, Flag: telemetry.DC, Text: "client went away", Cause: err}
}

// start sends the rest of the body to up while the exchange waits for the response.
func (u *upload) start(up upstream) {
	if u.done == nil {
		u.done = make(chan struct{}, 1)
	}
	u.buffer.retain(u.replays)
	u.read.Store(false)
	u.answered.Store(false)
	u.reply.Store(nil)
	u.stuck.Store(0)
	u.waiting.Store(0)
	if u.expects && !u.asked && u.bytes == 0 {
		u.waiting.Store(u.engine.Now())
	}
	u.running = true
	go u.run(up)
}

// run is the uploading goroutine. It is started by start and waited for by stop.
func (u *upload) run(up upstream) {
	defer func() {
		if u.engine.recovered(recover()) {
			u.reply.Store(replyPanic)
			up.Interrupt()
		}
		u.done <- struct{}{}
	}()
	r := u.copy(up)
	switch {
	case r != nil:
		u.reply.Store(r)
		up.Interrupt() // the exchange waits there
	case u.sentAt.Load() == 0:
		u.stuck.Store(u.engine.Now()) // from here on the endpoint has the time of upstream for its response
	}
}

// continued notes that the client has got a 100 (Continue): from here on it is its turn.
func (u *upload) continued() {
	u.asked = true
	if u.running && u.waiting.Swap(0) != 0 {
		u.down.SetReadDeadline(after(u.engine.Now(), u.wait.Read))
	}
}

// await sets the time for the next piece of the body.
func (u *upload) await() (patient bool) {
	w := u.wait
	w.Answered, w.Unprompted = u.answered.Load(), u.waiting.Load() != 0
	at, patient := w.Until(u.engine.Now())
	u.down.SetReadDeadline(at) // also while the client waits: continued may be doing the same
	return patient
}

// copy moves the body. It returns a reply if the client is the reason that it ended early. An endpoint that takes no
// more is none, since its response may say why.
func (u *upload) copy(up upstream) *route.LocalReply {
	way := u.splice(up)
	defer way.end()
	for patient := false; ; {
		if !u.down.Ready() {
			if up.Flush() != nil {
				return nil
			}
			patient = u.await()
		}
		p, n, err := u.next(&way)
		switch {
		case err == nil:
			if u.waiting.Load() != 0 {
				u.waiting.Store(0) // it does not wait any longer
			}
			if r := u.count(n); r != nil {
				return r
			}
			u.copyPiece(p, n)
			if u.down.Ended() {
				u.sendCopy()
				u.read.Store(true)
			}
			if u.pass(up, &way, p) != nil {
				return nil
			}
		case errors.Is(err, io.EOF):
			u.sendCopy()
			u.read.Store(true)
			if up.End(vetRequestTrailers(u.down.Trailers(), u.decision)) == nil {
				u.sentAt.Store(u.engine.Now())
			}
			return nil
		case errors.Is(err, netio.ErrTimeout) && (patient || u.answered.Load()):
		case errors.Is(err, netio.ErrInterrupted):
			return nil
		default:
			return bodyReply(err)
		}
	}
}

// timedFrom is since when the endpoint has its time for the response head; 0: not yet.
func (u *upload) timedFrom() int64 {
	if at := u.sentAt.Load(); at > 0 || !u.running {
		return at
	}
	return Earlier(u.stuck.Load(), u.waiting.Load())
}

// whole tells whether the whole request has been read from the client.
func (u *upload) whole() bool {
	if u.running {
		return u.read.Load()
	}
	return u.down.Ended()
}

// fault is what the client did wrong while its body was uploaded, nil if nothing.
func (u *upload) fault() *route.LocalReply {
	if !u.running {
		return nil
	}
	return u.reply.Load()
}

// responseBegun notes that the response has begun. From then on the client may take its time with the rest of its body,
// which no other attempt will send.
func (u *upload) responseBegun() {
	if !u.running {
		u.buffer.release()
		return
	}
	u.answered.Store(true)
	u.down.SetReadDeadline(0)
}

// skip reads what is at hand of the request's body and tells whether that was the rest of it.
func (u *upload) skip() bool {
	for !u.down.Ended() && u.down.Ready() {
		if _, err := u.down.Next(); err != nil {
			break // at its end it has ended, else it never will
		}
	}
	return u.down.Ended()
}

// stop waits for the uploading goroutine, if there is one, and reports whether the request has not gone upstream whole.
// Then it may have been stopped, so that the upstream connection can carry nothing more. Another attempt goes on where
// it has stopped.
func (u *upload) stop(up upstream) (early bool) {
	if !u.running {
		return false
	}
	u.running = false
	if u.sentAt.Load() > 0 {
		<-u.done // it has nothing left to do
		return false
	}
	if !u.ends() {
		early = true
		up.Cut()           // wakes a blocked write
		u.down.Interrupt() // or a blocked read
		<-u.done
		u.down.ClearInterrupt()
	}
	return early || u.sentAt.Load() == 0
}

// lastWrite is how long the uploading goroutine may take for the last bytes of a request once the response is there.
// All of the request has been read by then. An endpoint may just be quick to answer, and then both connections are as
// good as before. On a busy machine the goroutine may have to wait for a processor. The time is over only where the
// endpoint does not take them.
const lastWrite = 200 * time.Millisecond

// ends tells whether the uploading goroutine has ended by itself.
func (u *upload) ends() bool {
	select {
	case <-u.done:
		return true
	default:
	}
	if !u.read.Load() {
		return false
	}
	t := time.NewTimer(lastWrite)
	defer t.Stop()
	select {
	case <-u.done:
		return true
	case <-t.C:
		return false
	}
}

// crashed tells that the uploading goroutine has panicked.
func (u *upload) crashed() bool { return u.reply.Load() == replyPanic }

// abandon waits for the uploading goroutine after the connections on both sides were closed.
func (u *upload) abandon() {
	if u.running {
		u.running = false
		u.down.Interrupt()
		<-u.done
	}
}
