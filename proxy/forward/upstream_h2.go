package proxy

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
)

// upstream2 is a stream on a shared HTTP/2 connection to an endpoint, leased to one exchange that waits in a goroutine.
type upstream2 struct {
	client *http2.Client
	pipe   *http2.Pipe
	stream *http2.Stream // nil before Send
	batch  http2.Batch   // of whoever writes: the exchange's goroutine, then the uploading one
	reused bool
	waits  bool // for Send: its place on the connection is reserved
	end    bool // the request was ended
	sent   int64
	from   *http2.Pipe // the client's stream, if it has one
	large  atomic.Bool // the trailers were larger than the endpoint takes
}

// leaseStream is lease for clusters whose endpoints speak, or may speak, HTTP/2. A fresh connection is never needed: one that is going away has
// no room.
func (up *Upstream) leaseStream(s *Server, ep *cluster.Endpoint, fresh bool, within time.Duration) (leased, error) {
	set := shared(ep)
	if c := set.take(); c != nil {
		return newUpstream2(c, true), nil
	}
	if !fresh {
		if c := ep.Take(); c != nil {
			return again(c), nil
		}
	}
	if set.expectsPlain() {
		return up.leaseAlone(s, set, ep, within)
	}
	return up.leaseInLine(s, set, ep, within)
}

// leaseInLine waits for a place on a connection, which may have to be made.
func (up *Upstream) leaseInLine(s *Server, set *shared2, ep *cluster.Endpoint, within time.Duration) (leased, error) {
	limit := s.sweeper.Now() + int64(within)
	t := time.NewTimer(within)
	defer t.Stop()
	w := &waiter2{called: make(chan struct{}, 1)}
	open := func() { up.open(s, set, ep) }
	for again := false; ; again = true {
		if c := set.join(w, again, open); c != nil {
			return newUpstream2(c, true), nil
		}
		select {
		case <-w.called:
		case <-t.C:
			return up.tooLate(set.leave(w))
		case <-s.ctx.Done():
			return up.tooLate(set.leave(w))
		}
		switch {
		case w.plain != nil || w.err != nil:
			return w.plain, w.err
		case set.expectsPlain():
			return up.leaseAlone(s, set, ep, time.Duration(limit-s.sweeper.Now()))
		}
	}
}

// tooLate counts a request that has waited in vain for one of the limits, the endpoint's of streams or the cluster's of connections.
func (up *Upstream) tooLate(u leased, err error) (leased, error) {
	if errors.Is(err, cluster.ErrOverflow) {
		up.cluster.Telemetry().Overflow.Inc()
	}
	return u, err
}

// open makes a connection for those who wait in line. It belongs to none of them: how long one of them can wait is nothing to the others.
func (up *Upstream) open(s *Server, set *shared2, ep *cluster.Endpoint) {
	var c *http2.Client
	var plain leased
	err := errPanicked
	defer func() {
		if p := recover(); p != nil {
			s.panicked(p, debug.Stack())
		}
		set.opened(c, plain, err)
	}()
	c, plain, err = up.connectEither(s, set, ep, up.connect, set.connects)
}

var (
	errPanicked    error = &connectError{Err: errors.New("panic")}
	errSlowConnect error = &connectError{Err: context.DeadlineExceeded}
	errUnwanted          = errors.New("connect: nobody waits for it")
)

// leaseAlone makes a connection for one request, or waits for one that is put back: the endpoint is not expected to speak HTTP/2.
func (up *Upstream) leaseAlone(s *Server, set *shared2, ep *cluster.Endpoint, within time.Duration) (leased, error) {
	c, plain, err := up.connectEither(s, set, ep, within, func() bool { return true })
	if plain != nil || err != nil {
		return plain, err
	}
	reserved := c.Reserve()
	set.adopt(c)
	if !reserved { // it is over already, or was never meant to take any
		return nil, http2.ErrGoAway
	}
	return newUpstream2(c, true), nil
}

// connectEither makes a connection, or waits for one that is put back, and returns what it speaks. begin is asked in front of connecting
// whether it is still wanted.
func (up *Upstream) connectEither(s *Server, set *shared2, ep *cluster.Endpoint, within time.Duration, begin func() bool) (*http2.Client, leased, error) {
	idle, slot, err := up.cluster.ReserveWithin(s.ctx, ep, within)
	switch {
	case err != nil:
		return nil, nil, err
	case idle != nil:
		return nil, again(idle), nil
	}
	if !begin() {
		slot.Release()
		return nil, nil, errUnwanted
	}
	nc, err := up.connectTo(s, ep, slot, within)
	if err != nil {
		return nil, nil, err
	}
	if up.protocol == config.ProtocolAuto && !mtls.HTTP2(nc) {
		return nil, newUpstream1(s, nc, slot), nil
	}
	return s.newClient2(up, nc, slot, set), nil, nil
}

// newClient2 makes an HTTP/2 connection of nc. A goroutine sees to its end: it gives the slot back.
func (s *Server) newClient2(up *Upstream, nc net.Conn, slot *cluster.Slot, set *shared2) *http2.Client {
	o := s.options2(s.table.Load())
	o.IdleTimeout = up.cluster.Config().Keepalive.IdleTimeout
	o.PingInterval = pingInterval
	o.Room = set.room
	c := http2.NewClient(netio.New(nc, s.sweeper, s.writeTimeout()), o)
	go func() { // ends with the connection
		<-c.Done()
		set.drop(c)
		slot.Release()
	}()
	return c
}

// pingInterval is the silence on an upstream connection with streams after which it is asked whether it is there. Servers of gRPC end a
// connection on which PINGs come more often than every 5 minutes, unless they were told otherwise, and half a minute is for the network. A host that
// is gone is noticed sooner than that by the kernel, whose keep-alive Dialer asks for; the PING is for a process that hangs.
const pingInterval = 5*time.Minute + 30*time.Second

// newUpstream2 takes a place that is reserved on c.
func newUpstream2(c *http2.Client, reused bool) *upstream2 {
	return &upstream2{client: c, pipe: http2.NewPipe(), reused: reused, waits: true}
}

func (u *upstream2) Reused() bool                  { return u.reused }
func (u *upstream2) Trusted(int64) bool            { return true } // its reading goroutine has an eye on it
func (u *upstream2) Quiet() bool                   { return u.client.Usable() }
func (u *upstream2) SetWriteTimeout(time.Duration) {} // the connection's own; a stream that stalls is reset by Options.StallTimeout

// Send opens the stream.
func (u *upstream2) Send(ex *exchange, whole bool) error {
	if q, ok := ex.d.(*request2); ok {
		u.from = q.pipe
	}
	f := u.batch.Fields()
	ex.fillRequest(f)
	trailers := (*message.Head)(nil)
	if whole {
		trailers = vetted(ex.d.Trailers())
	}
	u.end = whole && len(ex.held) == 0 && trailers == nil
	u.waits = false
	st, err := u.client.OpenReserved(&u.batch, f, u.end, u.pipe.Receiver())
	if err != nil {
		return err
	}
	u.stream = st
	u.pipe.Attach(st, false)
	u.sent = int64(f.Len())
	if len(ex.held) > 0 {
		u.sent += int64(len(ex.held))
		u.end = whole && trailers == nil
		if err := u.pipe.Write(&u.batch, ex.held, u.end); err != nil {
			return err
		}
	}
	if whole && !u.end {
		return u.End(trailers)
	}
	return u.Flush()
}

// Sent is 0 also when the peer has said that it did not process the request.
func (u *upstream2) Sent() int64 {
	if errors.Is(u.pipe.Err(), http2.ErrUnprocessed) {
		return 0
	}
	return u.sent
}

func (u *upstream2) Body(p []byte) error { return u.pipe.Write(&u.batch, p, false) }

func (u *upstream2) End(t *message.Head) error {
	if u.end {
		return nil
	}
	u.end = true
	var err error
	if t != nil {
		f := u.batch.Fields()
		f.AddHead(t, neverTrailer)
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

func (u *upstream2) Flush() error {
	u.batch.Flush()
	return nil
}

func (u *upstream2) SetReadDeadline(at int64) { u.pipe.SetReadDeadline(at) }

// Head takes over the next head; the pipe has made it for this one reader. Where an answer has no body whatever is said of it, the end of the
// stream may still come in a frame of its own: HTTP/1.1 must not make chunks of that.
func (u *upstream2) Head(ex *exchange) error {
	h, end, err := u.pipe.Head()
	if err != nil && u.large.Load() {
		return http2.ErrHeadTooLarge
	}
	if err != nil {
		return err
	}
	ex.resp = *h
	switch {
	case end || ex.head || message.Bodiless(h.Status):
		ex.resp.Body = message.NoBody
	case ex.resp.Body == message.Sized && ex.resp.Present.Has(message.Trailer):
		ex.resp.Body = message.Chunked // HTTP/1.1 has room for trailers only behind chunks
	}
	return nil
}

func (u *upstream2) Interim()                {}
func (u *upstream2) Answer(*message.Head)    {}
func (u *upstream2) Ready() bool             { return u.pipe.Ready() }
func (u *upstream2) Next() ([]byte, error)   { return u.pipe.Next() }
func (u *upstream2) Trailers() *message.Head { return u.pipe.Trailers() }
func (u *upstream2) Interrupt()              { u.pipe.Interrupt() }

func (u *upstream2) Cut() {
	u.stream.Reset(nil, u.code())
	u.pipe.Close()
}

// GiveBack ends the lease of a stream that both sides have ended.
func (u *upstream2) GiveBack(*exchange) { u.pipe.Close() }

// Close ends a stream that is of no more use; one that has ended is not reset again.
func (u *upstream2) Close() error {
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

// code is what the endpoint is told of a stream that nobody needs any more: the client's own word, if it has reset its stream.
func (u *upstream2) code() http2.ErrCode {
	if u.from != nil {
		if r, ok := errors.AsType[*http2.ResetError](u.from.Err()); ok && r.Code != http2.NoError {
			return r.Code
		}
	}
	return http2.Cancel
}
