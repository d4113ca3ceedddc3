package forward

import (
	"context"
	"errors"
	"net"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// upstreamH2 is a stream on a shared HTTP/2 connection to an endpoint, leased to one exchange that waits in a
// goroutine.
type upstreamH2 struct {
	client *http2.Client
	pipe   *http2.Pipe
	stream *http2.Stream // nil before Send
	batch  http2.Batch   // of whoever writes: the exchange's goroutine, then the uploading one
	reused bool
	waits  bool // for Send: its place on the connection is reserved
	end    bool // the request was ended
	sent   int64
	from   downstream  // whose request it carries; nil before Send
	large  atomic.Bool // the trailers were larger than the endpoint takes
}

// leaseStream is lease for clusters whose endpoints speak, or may speak, HTTP/2. A fresh connection is never needed:
// one that is going away has no room.
func (e *Engine) leaseStream(up *route.Upstream, ep *cluster.Endpoint, fresh bool, within time.Duration) (upstream, error) {
	set := h2PoolOf(ep)
	if c := set.take(); c != nil {
		return newUpstreamH2(c, true), nil
	}
	if !fresh {
		if c := ep.Take(); c != nil {
			return reuse(c), nil
		}
	}
	if set.expectsPlain() {
		return e.leaseAlone(up, set, ep, within)
	}
	return e.leaseWaiting(up, set, ep, within)
}

// leaseWaiting waits for a place on a connection, which may have to be made.
func (e *Engine) leaseWaiting(up *route.Upstream, set *h2Pool, ep *cluster.Endpoint, within time.Duration) (upstream, error) {
	limit := e.Now() + int64(within)
	t := time.NewTimer(within)
	defer t.Stop()
	w := &h2Waiter{called: make(chan struct{}, 1)}
	open := func() { e.open(up, set, ep) }
	for again := false; ; again = true {
		if c := set.join(w, again, open); c != nil {
			return newUpstreamH2(c, true), nil
		}
		select {
		case <-w.called:
		case <-t.C:
			return e.tooLate(up, set, w)
		case <-e.ctx.Done():
			return e.tooLate(up, set, w)
		}
		switch {
		case w.plain != nil || w.err != nil:
			return w.plain, w.err
		case set.expectsPlain():
			return e.leaseAlone(up, set, ep, time.Duration(limit-e.Now()))
		}
	}
}

// tooLate ends the wait of w, and counts it where one of the limits was in the way: the endpoint's of streams or the
// cluster's of connections.
func (e *Engine) tooLate(up *route.Upstream, set *h2Pool, w *h2Waiter) (upstream, error) {
	u, err := set.leave(w)
	if errors.Is(err, cluster.ErrOverflow) {
		up.Cluster.Telemetry().Overflow.Inc()
	}
	return u, err
}

// open makes a connection for those who wait in line. It belongs to none of them: how long one of them can wait is
// nothing to the others.
func (e *Engine) open(up *route.Upstream, set *h2Pool, ep *cluster.Endpoint) {
	var c *http2.Client
	var plain upstream
	err := errPanicked
	defer func() {
		if p := recover(); p != nil {
			e.Panicked(p, debug.Stack())
		}
		set.opened(c, plain, err)
	}()
	c, plain, err = e.connectEither(up, set, ep, up.Connect, set.connects)
}

var (
	errPanicked    error = &netio.ConnectError{Err: errors.New("panic")}
	errSlowConnect error = &netio.ConnectError{Err: context.DeadlineExceeded}
	errUnwanted          = errors.New("connect: nobody waits for it")
)

// leaseAlone makes a connection for one request, or waits for one that is put back: the endpoint is not expected to
// speak HTTP/2.
func (e *Engine) leaseAlone(up *route.Upstream, set *h2Pool, ep *cluster.Endpoint, within time.Duration) (upstream, error) {
	c, plain, err := e.connectEither(up, set, ep, within, func() bool { return true })
	if plain != nil || err != nil {
		return plain, err
	}
	set.adopt(c)
	return e.leaseWaiting(up, set, ep, within)
}

// connectEither makes a connection, or waits for one that is put back, and returns what it speaks. begin is asked in
// front of connecting whether it is still wanted.
func (e *Engine) connectEither(up *route.Upstream, set *h2Pool, ep *cluster.Endpoint, within time.Duration, begin func() bool) (*http2.Client, upstream, error) {
	idle, slot, err := up.Cluster.ReserveWithin(e.ctx, ep, within)
	switch {
	case err != nil:
		return nil, nil, err
	case idle != nil:
		return nil, reuse(idle), nil
	}
	if !begin() {
		slot.Release()
		return nil, nil, errUnwanted
	}
	nc, err := e.connect(up, ep, slot, within)
	if err != nil {
		return nil, nil, err
	}
	if up.Protocol == config.ProtocolAuto && !mtls.HTTP2(nc) {
		return nil, newUpstreamH1(e, nc, slot), nil
	}
	return e.newH2Client(up, nc, slot, set), nil, nil
}

// newH2Client makes an HTTP/2 connection of nc. A goroutine sees to its end: it gives the slot back.
func (e *Engine) newH2Client(up *route.Upstream, nc net.Conn, slot *cluster.Slot, set *h2Pool) *http2.Client {
	o := e.H2Options(e.Table())
	o.IdleTimeout = up.Cluster.Config().Keepalive.IdleTimeout
	o.PingInterval = pingInterval
	o.Room = set.room
	c := http2.NewClient(netio.New(nc, e.Sweeper, e.WriteTimeout()), o)
	go func() { // ends with the connection
		<-c.Done()
		set.drop(c)
		slot.Release()
	}()
	return c
}

// pingInterval is the silence on an upstream connection with streams after which it is asked whether it is there.
// Servers of gRPC end a connection on which PINGs come more often than every 5 minutes, unless they were told
// otherwise, and half a minute is for the network. A host that is gone is noticed sooner than that by the kernel,
// whose keep-alive Dialer asks for; the PING is for a process that hangs.
const pingInterval = 5*time.Minute + 30*time.Second

// newUpstreamH2 takes a place that is reserved on c.
func newUpstreamH2(c *http2.Client, reused bool) *upstreamH2 {
	return &upstreamH2{client: c, pipe: http2.NewPipe(), reused: reused, waits: true}
}

func (u *upstreamH2) Reused() bool                  { return u.reused }
func (u *upstreamH2) Trusted(int64) bool            { return true } // its reading goroutine has an eye on it
func (u *upstreamH2) Quiet() bool                   { return u.client.Usable() }
func (u *upstreamH2) SetWriteTimeout(time.Duration) {} // the connection's own; a stream that stalls is reset by Options.StallTimeout

// Send opens the stream.
func (u *upstreamH2) Send(o *outgoing) error {
	u.from = o.from
	f := u.batch.Fields()
	o.head.fillH2(f)
	// A request that ended behind its head ends so again, by a frame of its own: servers of gRPC wait for that one.
	u.end = o.whole && o.head.Body == message.NoBody && o.trailers == nil
	u.waits = false
	st, err := u.client.OpenReserved(&u.batch, f, u.end, u.pipe.Receiver())
	if err != nil {
		return err
	}
	u.stream = st
	u.pipe.Attach(st, false)
	u.sent = int64(f.Len())
	if len(o.body) > 0 {
		u.sent += int64(len(o.body))
		u.end = o.whole && o.trailers == nil
		if err := u.pipe.Write(&u.batch, o.body, u.end); err != nil {
			return err
		}
	}
	if o.whole && !u.end {
		return u.End(o.trailers)
	}
	return u.Flush()
}

// Sent is 0 also when the peer has said that it did not process the request.
func (u *upstreamH2) Sent() int64 {
	if errors.Is(u.pipe.Err(), http2.ErrUnprocessed) {
		return 0
	}
	return u.sent
}

func (u *upstreamH2) Body(p []byte) error { return u.pipe.Write(&u.batch, p, false) }

func (u *upstreamH2) End(t *message.Head) error {
	if u.end {
		return nil
	}
	u.end = true
	var err error
	if t != nil {
		f := u.batch.Fields()
		f.AddHead(t, NeverTrailer)
		err = u.stream.WriteTrailers(&u.batch, f)
		if errors.Is(err, http2.ErrHeadTooLarge) {
			u.large.Store(true)
			u.Cut() // the endpoint would wait for the end, and whoever waits for it too
		}
	} else {
		err = u.pipe.Write(&u.batch, nil, true)
	}
	u.batch.Flush()
	return err
}

func (u *upstreamH2) Flush() error {
	u.batch.Flush()
	return nil
}

func (u *upstreamH2) SetReadDeadline(at int64) { u.pipe.SetReadDeadline(at) }

// Head takes over the next head; the pipe has made it for this one reader. Where an answer has no body whatever is
// said of it, the end of the stream may still come in a frame of its own: HTTP/1.1 must not make chunks of that.
func (u *upstreamH2) Head(h *message.Head, toHead bool) error {
	got, end, err := u.pipe.Head()
	if err != nil && u.large.Load() {
		return http2.ErrHeadTooLarge
	}
	if err != nil {
		return err
	}
	*h = *got
	switch {
	case end || toHead || message.Bodiless(h.Status):
		h.Body = message.NoBody
	case h.Body == message.Sized && h.Present.Has(message.Trailer):
		h.Body = message.Chunked // HTTP/1.1 has room for trailers only behind chunks
	}
	return nil
}

func (u *upstreamH2) Interim()                {}
func (u *upstreamH2) Answer(*message.Head)    {}
func (u *upstreamH2) Ready() bool             { return u.pipe.Ready() }
func (u *upstreamH2) Next() ([]byte, error)   { return u.pipe.Next() }
func (u *upstreamH2) Trailers() *message.Head { return u.pipe.Trailers() }

// TimedOut has the connection doubted, which other requests share.
func (u *upstreamH2) TimedOut(since int64) {
	if u.stream != nil {
		u.stream.Doubt(since)
	}
}

func (u *upstreamH2) Interrupt() { u.pipe.Interrupt() }

func (u *upstreamH2) Cut() {
	u.stream.Reset(nil, u.code())
	u.pipe.Close()
}

// GiveBack ends the lease of a stream that both sides have ended.
func (u *upstreamH2) GiveBack(*message.Head, bool, *cluster.Endpoint, int64) { u.pipe.Close() }

// Close ends a stream that is of no more use; one that has ended is not reset again.
func (u *upstreamH2) Close() error {
	if u.waits {
		u.waits = false
		u.client.Unreserve()
	}
	if u.stream != nil {
		u.stream.Reset(nil, u.code())
		u.pipe.Close()
	}
	return nil
}

// code is what the endpoint is told of a stream that nobody needs any more.
func (u *upstreamH2) code() http2.ErrCode {
	if u.from == nil {
		return http2.Cancel
	}
	return u.from.ResetCode()
}
