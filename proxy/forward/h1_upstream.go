package forward

import (
	"net"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// upstreamH1 is an HTTP/1.1 connection to an endpoint. It is leased to one exchange, or idle in the endpoint's pool,
// where it holds no buffer.
type upstreamH1 struct {
	conn   *netio.Conn
	r      http1.Reader
	w      http1.Writer
	body   http1.Body
	slot   *cluster.Slot
	reused bool
	keep   time.Duration // how long the endpoint lets it be idle after this response; 0: it did not say
	since  int64         // when it was given back, on the sweeper's clock
	bare   bool          // its last response could have no body, which some endpoints send all the same
}

func newUpstreamH1(e *Engine, nc net.Conn, slot *cluster.Slot) *upstreamH1 {
	u := &upstreamH1{conn: netio.New(nc, e.Sweeper, e.WriteTimeout()), slot: slot}
	u.r = *http1.NewReader(u.conn, e.Limits, nil, 0)
	u.w.Conn = u.conn
	return u
}

// Close closes the connection and gives its slot back. It must not be leased.
func (u *upstreamH1) Close() error {
	u.r.Free()
	u.w.Done()
	err := u.conn.Close()
	u.slot.Release()
	return err
}

// The methods of a leased connection.

func (u *upstreamH1) Usable() bool                            { return u.conn.Quiet() } // the pool asks too
func (u *upstreamH1) SetWriteTimeout(d time.Duration)         { u.conn.SetWriteTimeout(d) }
func (u *upstreamH1) Sent() int64                             { return u.w.Sent() }
func (u *upstreamH1) Body(p []byte) error                     { return u.w.Body(p) }
func (u *upstreamH1) End(t *message.Head) error               { return u.w.End(t, neverTrailer) }
func (u *upstreamH1) Flush() error                            { return u.w.Flush() }
func (u *upstreamH1) SetReadDeadline(at int64)                { u.conn.SetReadDeadline(at) }
func (u *upstreamH1) Head(h *message.Head, toHead bool) error { return u.r.ReadResponse(h, toHead) }
func (u *upstreamH1) Interim()                                { u.r.Done() }
func (u *upstreamH1) Ready() bool                             { return u.body.Ready() }
func (u *upstreamH1) Next() ([]byte, error)                   { return u.body.Next() }
func (u *upstreamH1) Trailers() *message.Head                 { return u.body.Trailers() }
func (u *upstreamH1) Return(n int)                            { u.body.Return(n) }
func (u *upstreamH1) DropHead()                               { u.r.DropHead() }
func (u *upstreamH1) Fit()                                    { u.r.Fit() }
func (u *upstreamH1) Interrupt()                              { u.conn.Interrupt() }
func (u *upstreamH1) Cut()                                    { _ = u.conn.Close() }

// TimedOut has the idle connections to the endpoint doubted. Whoever has this one closes it then. A fresh connection
// that is silent from the start says nothing of their path.
func (u *upstreamH1) TimedOut(ep *cluster.Endpoint, since, now int64) {
	if u.reused {
		ep.Doubt(time.Duration(now - since))
	}
}

// GivenUp is TimedOut for clients with less patience than our timeouts, unless they had next to none.
func (u *upstreamH1) GivenUp(ep *cluster.Endpoint, since, now int64) {
	if now-since >= minSilence {
		u.TimedOut(ep, since, now)
	}
}

// minSilence is how long a request must have waited that says something when it is given up.
const minSilence = int64(time.Second)

// Standing is doubtful also behind a response that could have no body: what came with it all the same may still be on
// its way.
func (u *upstreamH1) Standing(now int64) standing {
	switch {
	case !u.reused:
		return unused
	case u.bare || now-u.since >= probeAfter:
		return doubtful
	}
	return current
}

// Ahead bounds also what is read along with a head.
func (u *upstreamH1) Ahead(n int) {
	u.r.Ahead(n)
	u.conn.SetSmallFirst(n > 0 && n < netio.BufferSize)
}

// TakeHead takes from the head what is needed after it.
func (u *upstreamH1) TakeHead(h *message.Head) {
	u.keep = keepFor(h)
	u.r.Body(&u.body, h)
}

// Park has r wait for the next head, and for client, unless that is nil.
func (u *upstreamH1) Park(client *netio.Conn, r netio.Resumer) bool {
	if client == nil {
		return u.conn.Park(r)
	}
	return u.conn.ParkWith(client, r)
}

// Send appends the head in HTTP/1.1 and writes it with what is kept of the body.
func (u *upstreamH1) Send(o *outgoing) error {
	u.w.Head(o.head.appendH1(u.w.Begin()), o.head.Body == message.Chunked)
	if len(o.body) > 0 {
		if err := u.w.Body(o.body); err != nil {
			return err
		}
	}
	if o.whole {
		return u.End(o.trailers)
	}
	return u.w.Flush()
}

// probeAfter is how long an idle connection is used again without a look at its socket. That is a system call. The look
// finds that the endpoint has closed it. It also finds bytes that came behind the end of the last response: they would
// be taken for the next one. The pool looks by itself after a second, for whatever takes a connection from it.
const probeAfter = int64(10 * time.Millisecond)

// GiveBack ends the lease: the connection goes back to the pool when the response was read to its end and nothing came
// behind it.
func (u *upstreamH1) GiveBack(h *message.Head, toHead bool, ep *cluster.Endpoint, now int64) {
	u.since, u.bare = now, toHead || message.Bodiless(h.Status)
	if u.rest(h) {
		ep.Put(u, u.keep)
	} else {
		_ = u.Close() // it has served
	}
}

// rest makes the connection ready for another lease and reports whether it is good for one. Nobody may interrupt it any
// more; an interrupt that met no read would end the next lease's. The memory of the response head is given back.
func (u *upstreamH1) rest(h *message.Head) bool {
	good := u.body.Ended() && u.r.Buffered() == 0 && !u.conn.Unread() && !h.Close
	u.conn.ClearInterrupt()
	u.r.Done()
	u.Ahead(0)
	u.w.Done()
	u.body = http1.Body{}
	return good
}

// keepFor is how long the peer lets the connection be idle: a second less than it said, since it may count from
// earlier. 0: it said nothing.
func keepFor(h *message.Head) time.Duration {
	switch s := keepAlive(h); s {
	case 0:
		return 0
	case 1:
		return -1
	default:
		return time.Duration(s-1) * time.Second
	}
}
