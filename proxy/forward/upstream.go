package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// upstream is a connection to an endpoint, or a stream of one, while an exchange has it, whatever version it speaks.
// Its methods belong to the exchange's goroutine; while a request body is uploaded, Body, End and Flush belong to the
// uploading one. Interrupt and Cut are safe from any.
type upstream interface {
	// Standing is what is known of it without a look, when a request is to go out on it at the moment now. Usable has
	// a look: it is false where the peer has closed it, or has sent anything.
	Standing(now int64) standing
	Usable() bool
	SetWriteTimeout(d time.Duration)

	// Send writes the request's head and what is kept of its body. Sent is how many bytes may have gone.
	Send(o *outgoing) error
	Sent() int64
	// Body adds a piece of the request's body, End ends it, Flush writes what was gathered.
	Body(p []byte) error
	End(trailers *message.Head) error
	Flush() error

	// SetReadDeadline is the moment at which Head and Next give up.
	SetReadDeadline(at int64)
	// Park is as that of netio.Conn. It has r go on when there may be a head to read, or something comes from client,
	// which may be nil.
	Park(client *netio.Conn, r netio.Resumer) bool
	// Head reads the next response head into h; it may be called again after a timeout. toHead: the request's method is
	// HEAD. Interim is for heads that are not final.
	Head(h *message.Head, toHead bool) error
	Interim()
	// Answer begins the body of the final head. Then Ready, Next and Trailers are as those of a downstream.
	TakeHead(h *message.Head)
	Ready() bool
	Next() ([]byte, error)
	Trailers() *message.Head
	// Ahead bounds, in bytes, what is read of a response at once; 0: nothing does.
	Ahead(n int)
	// Return says that the last n bytes of what Next handed out were not used: it hands them out again. DropHead says
	// that nobody looks into the response's head any more. Fit is that for a wait that may be long: it gives up all
	// memory that nothing of the response needs.
	Return(n int)
	DropHead()
	Fit()

	// TimedOut says that the endpoint ep owed something since the moment since, and has not sent it until now. GivenUp
	// says that of a response that has not begun, when the client has left.
	TimedOut(ep *cluster.Endpoint, since, now int64)
	GivenUp(ep *cluster.Endpoint, since, now int64)
	// Interrupt wakes a Head or Next with netio.ErrInterrupted, Cut whoever waits, for good.
	Interrupt()
	Cut()
	// Exactly one of these ends the lease: GiveBack at the moment now, after the whole response whose head was h, Close
	// otherwise.
	GiveBack(h *message.Head, toHead bool, ep *cluster.Endpoint, now int64)
	Close() error
}

// standing is what is known of a leased connection.
type standing uint8

const (
	unused   standing = iota // it has carried no request yet
	current                  // idle for less than probeAfter, or read all the while: its peer is there and silent
	doubtful                 // its peer may have closed it meanwhile, or have sent something
)

// outgoing is one request as an upstream sends it.
type outgoing struct {
	head     requestHead
	body     []byte        // what is kept of it
	whole    bool          // that is all of it
	trailers *message.Head // with whole; may be nil
	from     downstream
}

// lease returns a connection to ep, or a stream's place on one: the warmest idle one, unless fresh is asked for, or a
// new one. At the limit of connections a fresh one may be one that is idle, and was looked at. Waiting for a place and
// connecting may each take as long as within.
func (e *Engine) lease(up *route.Upstream, ep *cluster.Endpoint, fresh bool, within time.Duration) (upstream, error) {
	if up.Protocol != config.ProtocolHTTP1 {
		return h2Lease{e, up, ep, h2PoolOf(ep)}.take(fresh, within)
	}
	if !fresh {
		if c := ep.Take(); c != nil {
			return reuse(c), nil
		}
	}
	u, slot, err := e.reserve(up, ep, fresh, within)
	if err != nil {
		return nil, err
	}
	if u != nil {
		return u, nil
	}
	nc, err := e.connect(up, ep, slot, within)
	if err != nil {
		return nil, err
	}
	return newUpstreamH1(e, nc, slot), nil
}

// reserve gives a slot for a new connection to ep. At the limit of connections it waits for one, or for a connection
// that is put back. Where look is true, that one is looked at, and closed where its peer is gone or has sent something.
func (e *Engine) reserve(up *route.Upstream, ep *cluster.Endpoint, look bool, within time.Duration) (
	*upstreamH1, *cluster.Slot, error,
) {
	until := e.Now() + int64(within)
	for {
		c, slot, err := up.Cluster.ReserveWithin(e.ctx, ep, time.Duration(until-e.Now()))
		if err != nil || c == nil {
			return nil, slot, err
		}
		if u := reuse(c); !look || u.Usable() {
			return u, nil, nil
		}
		_ = c.Close() // which makes room for another one
	}
}

// reuse takes a connection out of the pool's hands.
func reuse(c cluster.Conn) *upstreamH1 {
	u := c.(*upstreamH1)
	u.reused = true
	return u
}

// connect dials. The slot is released when that does not work, or panics.
func (e *Engine) connect(up *route.Upstream, ep *cluster.Endpoint, slot *cluster.Slot, within time.Duration) (
	net.Conn, error,
) {
	ctx, cancel := context.WithTimeout(e.ctx, within)
	defer cancel()
	connected := false
	defer func() {
		if !connected {
			slot.Release()
		}
	}()
	start := e.Now()
	nc, err := dialApart(ctx, up.Dial, ep.Address())
	up.Cluster.Telemetry().RecordConnect(time.Duration(e.Now()-start), err == nil)
	if err != nil {
		failed := netio.NewConnectError(err)
		if failed.Ours {
			up.Cluster.Telemetry().Overflow.Inc()
		}
		if ep.Explain(failed.Error()) {
			e.Logger.Warn("endpoint failed", "cluster", up.Cluster.Name(), "address", ep.Address(), "error", failed)
		}
		return nil, failed
	}
	connected = true
	return nc, nil
}

// dialApart calls dial from a goroutine of its own, whose stack grows and goes. The request's own stack stays small
// while it waits for the response. A panic is the request's all the same.
func dialApart(ctx context.Context, dial netio.DialFunc, address string) (nc net.Conn, err error) {
	done := make(chan struct{})
	var panicked any
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				panicked = fmt.Sprintf("%v\n%s", p, debug.Stack())
			}
		}()
		nc, err = dial(ctx, address)
	}()
	<-done
	if panicked != nil {
		panic(panicked)
	}
	return nc, err
}

// brokeOff tells that the peer ended or reset the connection, as opposed to being slow or wrong.
func brokeOff(err error) bool {
	switch {
	case err == nil, malformed(err), errors.Is(err, http2.ErrHeadTooLarge), errors.Is(err, http2.ErrStalled):
		return false
	case errors.Is(err, io.EOF):
		return true
	}
	return !errors.Is(err, netio.ErrTimeout) && !errors.Is(err, netio.ErrInterrupted)
}

// malformed tells that what the peer sent broke the rules of its protocol.
func malformed(err error) bool {
	var one *http1.Error
	var stream *http2.StreamError
	if conn, ok := errors.AsType[*http2.ConnError](err); ok {
		return !conn.Remote && conn.Code != http2.InternalError // which is a fault of ours
	}
	return errors.As(err, &one) || errors.As(err, &stream)
}
