package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Upstream is a cluster as the routes of one revision use it: where to pick and how to connect. Immutable.
type Upstream struct {
	cluster  *cluster.Cluster
	protocol string // http1, http2 or auto
	dial     netio.DialFunc
	scheme   []byte        // for HTTP/2: http, or https under TLS
	connect  time.Duration // longest time to connect, and to wait for a free connection
	budget   *retryBudget  // of the cluster; survives revisions
	queue    *queue        // in front of the cluster; nil: none
}

// leased is a connection to an endpoint, or a stream of one, while an exchange has it, whatever version it speaks. Its methods belong to the
// exchange's goroutine; while a request body is uploaded, Body, End and Flush belong to the uploading one. Interrupt and Cut are safe from any.
type leased interface {
	// Reused tells that it has carried a request before; Trusted that it was idle so shortly that nothing will have happened to it meanwhile;
	// Quiet looks whether its peer has closed it, or has sent anything.
	Reused() bool
	Trusted(now int64) bool
	Quiet() bool
	SetWriteTimeout(d time.Duration)

	// Send writes the request's head and what is held of its body; whole tells that this is all of it. Sent is how many bytes may have gone.
	Send(ex *exchange, whole bool) error
	Sent() int64
	// Body adds a piece of the request's body, End ends it, Flush writes what was gathered.
	Body(p []byte) error
	End(trailers *message.Head) error
	Flush() error

	// SetReadDeadline is the moment at which Head and Next give up.
	SetReadDeadline(at int64)
	// Head reads the next response head into the exchange; it may be called again after a timeout. Interim is for heads that are not final.
	Head(ex *exchange) error
	Interim()
	// Answer begins the body of the final head. Then Ready, Next and Trailers are as those of a downstream.
	Answer(h *message.Head)
	Ready() bool
	Next() ([]byte, error)
	Trailers() *message.Head

	// Interrupt wakes a Head or Next with netio.ErrInterrupted, Cut whoever waits, for good.
	Interrupt()
	Cut()
	// Exactly one of these ends the lease: GiveBack after the whole answer of the exchange, Close otherwise.
	GiveBack(ex *exchange)
	Close() error
}

// lease returns a connection to ep, or a stream's place on one: the warmest idle one, unless fresh is asked for, or a new one. Waiting for a
// place and connecting may each take as long as within.
func (up *Upstream) lease(s *Server, ep *cluster.Endpoint, fresh bool, within time.Duration) (leased, error) {
	if up.protocol != config.ProtocolHTTP1 {
		return up.leaseStream(s, ep, fresh, within)
	}
	if !fresh {
		if c := ep.Take(); c != nil {
			return again(c), nil
		}
	}
	c, slot, err := up.cluster.ReserveWithin(s.ctx, ep, within)
	if err != nil {
		return nil, err
	}
	if c != nil {
		return again(c), nil
	}
	nc, err := up.connectTo(s, ep, slot, within)
	if err != nil {
		return nil, err
	}
	return newUpstream1(s, nc, slot), nil
}

// again takes a connection out of the pool's hands.
func again(c cluster.Conn) *upstream1 {
	u := c.(*upstream1)
	u.reused = true
	return u
}

// connectTo dials. The slot is released when that does not work.
func (up *Upstream) connectTo(s *Server, ep *cluster.Endpoint, slot *cluster.Slot, within time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	start := s.sweeper.Now()
	nc, err := up.dial(ctx, ep.Address())
	up.cluster.Telemetry().RecordConnect(time.Duration(s.sweeper.Now()-start), err == nil)
	if err != nil {
		slot.Release()
		failed := netio.NewConnectError(err)
		if failed.Ours {
			up.cluster.Telemetry().Overflow.Inc()
		}
		if ep.Explain(failed.Error()) {
			s.logger.Warn("endpoint", "cluster", up.cluster.Name(), "address", ep.Address(), "error", failed)
		}
		return nil, failed
	}
	return nc, nil
}

// connectError is that no connection to an endpoint could be made.
type connectError = netio.ConnectError

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
