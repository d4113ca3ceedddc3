package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/sock"
)

// DialFunc connects to the endpoint at address, with TLS if the cluster wants it. It ends with ctx.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Upstream is a cluster as the routes of one revision use it: where to pick and how to connect. Immutable.
type Upstream struct {
	cluster *cluster.Cluster
	dial    DialFunc
	connect time.Duration // longest time to connect, and to wait for a free connection
	budget  *retryBudget  // of the cluster; survives revisions
}

// Dialer returns the plain TCP DialFunc. Host names are resolved each time.
func Dialer() DialFunc {
	d := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true}}
	return func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
}

// conn1 is an HTTP/1.1 connection to an endpoint. It is leased to one exchange, or idle in the endpoint's pool, where it holds no buffer.
type conn1 struct {
	conn   *sock.Conn
	r      http1.Reader
	w      http1.Writer
	body   http1.Body
	slot   *cluster.Slot
	reused bool
}

// Close closes the connection and gives its slot back. It must not be leased.
func (u *conn1) Close() error {
	u.r.Free()
	u.w.Done()
	err := u.conn.Close()
	u.slot.Release()
	return err
}

// Usable tells whether the idle connection is open and silent.
func (u *conn1) Usable() bool { return u.conn.Quiet() }

// lease returns a connection to ep: the warmest idle one, unless fresh is asked for, or a new one. Waiting for a place and connecting may
// each take as long as within.
func (up *Upstream) lease(s *Server, ep *cluster.Endpoint, fresh bool, within time.Duration) (*conn1, error) {
	if !fresh {
		if c := ep.Take(); c != nil {
			u := c.(*conn1)
			u.reused = true
			return u, nil
		}
	}
	c, slot, err := up.cluster.ReserveWithin(s.ctx, ep, within)
	if err != nil {
		return nil, err
	}
	if c != nil {
		u := c.(*conn1)
		u.reused = true
		return u, nil
	}
	return up.open(s, ep, slot, within)
}

// open dials. The slot is released when that does not work.
func (up *Upstream) open(s *Server, ep *cluster.Endpoint, slot *cluster.Slot, within time.Duration) (*conn1, error) {
	ctx, cancel := context.WithTimeout(s.ctx, within)
	defer cancel()
	start := s.sweeper.Now()
	nc, err := up.dial(ctx, ep.Address())
	up.cluster.Telemetry().RecordConnect(time.Duration(s.sweeper.Now()-start), err == nil)
	if err != nil {
		slot.Release()
		return nil, &connectError{err}
	}
	u := &conn1{conn: sock.New(nc, s.sweeper, s.writeTimeout()), slot: slot}
	u.r = *http1.NewReader(u.conn, s.limits, nil, 0)
	u.w.Conn = u.conn
	return u, nil
}

// connectError is that no connection to an endpoint could be made.
type connectError struct{ err error }

func (e *connectError) Error() string {
	if errors.Is(e.err, context.DeadlineExceeded) {
		return "connect: timeout"
	}
	return "connect: " + e.err.Error()
}
func (e *connectError) Unwrap() error { return e.err }

// giveBack ends the lease: the connection goes back to the pool when the answer was read to its end and nothing came behind it.
func (u *conn1) giveBack(ep *cluster.Endpoint, h *message.Head) {
	whole, keep := u.body.Ended() && u.r.Buffered() == 0, keepFor(h)
	u.r.Done() // h is gone
	u.w.Done()
	u.body = http1.Body{}
	if !whole || h.Close {
		_ = u.Close() // it has served
		return
	}
	ep.Put(u, keep)
}

// keepFor is how long the peer lets the connection be idle: a second less than it said, since it may count from earlier. 0: it said nothing.
func keepFor(h *message.Head) time.Duration {
	switch s := keepAlive(h); {
	case s == 0:
		return 0
	case s == 1:
		return -1
	default:
		return time.Duration(s-1) * time.Second
	}
}

// brokeOff tells that the peer ended or reset the connection, as opposed to being slow or wrong.
func brokeOff(err error) bool {
	var malformed *http1.Error
	return err != nil && !errors.Is(err, sock.ErrTimeout) && !errors.Is(err, sock.ErrInterrupted) && !errors.As(err, &malformed) || errors.Is(err, io.EOF)
}
