package route

import (
	"bytes"
	"net/netip"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Decision is what shall be done with one request. It is made once, by [Table.Decide], and not edited afterwards but by
// FailOver and KeepNowhere; Trace is the matter of whoever carries the request.
type Decision struct {
	Table    *Table    // the revision that serves the request
	Route    *Route    // nil: none matched
	Upstream *Upstream // drawn by the weights of the route
	Mirror   *Mirror   // a copy of the request goes there; nil: none does

	Method telemetry.Method
	Head   bool // the method is HEAD
	GRPC   bool
	// Upgrade: the protocols that the client offers are passed on.
	Upgrade bool
	// Pending: who carries the request has to wait first: CheckPassword, then Question where AsksOutside
	// says so, then Proceed. Nothing below is decided before.
	Pending   bool
	unchecked bool // the password

	// Deadline is that of the whole request, on the sweeper's clock; 0 none. ClientDeadline: it is the client's own
	// (grpc-timeout), so no endpoint is to blame when it passes.
	Deadline       int64
	ClientDeadline bool
	rewritten      bool // a pattern of the route has made another path

	RemoteIP   netip.Addr      // the client's own, as a trusted proxy tells it; the zero Addr: the peer's
	Trace      telemetry.Trace // where the request stands in its trace
	ID         RequestID       // empty: the request has its own
	RetryAfter time.Duration   // with ReplyRateLimited: when there is a token again
	HashKey    uint64          // decides on the endpoint where the cluster's balance is hash; 0: any

	stays   *weighted  // the cluster at which the response has the client stay; nil: it does already, or never
	cookies *newCookie // for a hash, that the response is to give to the client
	normal  []byte     // the normalised path, where it is not the request's own; with rewritten, what became of it
}

// Workspace is memory that a decision is made in. It is kept between requests; a Decision with a path that had to be
// normalised or rewritten points into it.
type Workspace struct {
	path     []byte
	edges    [maxSegments + 2]uint32
	hostname []byte
	rewrite  []byte
	value    []byte // of a header or a parameter, where it is not in one piece as it is meant

	credentials []byte // of a request, while they are looked at; cleared behind that
}

var slash = []byte("/")

// Decide finds out what is to be done with the request h, which came from c and began at start on the sweeper's clock.
// It fills d and returns the local reply that ends the request, or nil. It blocks on nothing; it takes a token where
// the route limits rates. Where somebody would have to be waited for it stops with d.Pending. Fields of h that must
// not be passed on it marks as such. Safe from any goroutine, with a d, h and w of its own.
func (t *Table) Decide(d *Decision, h *message.Head, c *Client, start int64, w *Workspace) *LocalReply {
	*d = Decision{Table: t, Method: telemetry.ParseMethod(h.Method), GRPC: IsGRPC(h)}
	d.Head = d.Method == telemetry.MethodHead
	d.ID.make(h)
	if d.Method == telemetry.MethodConnect {
		return ReplyConnect
	}
	if h.Version == message.HTTP2 && h.Present.Has(message.Expect) && !h.Expect100 {
		return ReplyExpect // the codec of HTTP/1.1 says so itself
	}
	markClaims(h, c)
	d.RemoteIP = remoteIP(h, c, t.trusted)
	path := h.Path
	if len(path) == 0 {
		path = slash
	}
	normal, scratch, ok := config.NormalPath(path, w.path)
	w.path = scratch
	if !ok {
		return ReplyPath
	}
	if len(h.Path) == 0 || &normal[0] != &h.Path[0] {
		d.normal = normal
	}
	a := asked{head: h, path: normal, listener: t.listenerName(c), work: w}
	if t.router.bySource {
		a.remote = d.remote(c)
	}
	rt := t.router.match(&a)
	if t.recent != nil && t.recent.due(start) {
		t.recent.note(t, &a, c)
	}
	if rt == nil {
		return ReplyNoRoute
	}
	d.Route = rt
	if rt.access != nil {
		if reply := d.refuse(rt.access, c); reply != nil {
			return reply
		}
	}
	if l := rt.rate; l != nil {
		if d.RetryAfter = l.take(h, c, d.RemoteIP, start); d.RetryAfter > 0 {
			return ReplyRateLimited
		}
	}
	if rt.auth != nil {
		v, reply := rt.auth.known(h, w)
		if reply != nil {
			return reply
		}
		d.unchecked = v == passwords.Unchecked
	}
	if d.Pending = d.unchecked || rt.external != nil; d.Pending {
		return nil
	}
	return d.Proceed(h, c, start, w)
}

// Refuse fills d for a request that is turned away for its head, of which h is what was read. A malformed one of
// HTTP/1.1 is answered as what it is, whatever its content type.
func (t *Table) Refuse(d *Decision, h *message.Head) {
	*d = Decision{
		Table: t, Method: telemetry.ParseMethod(h.Method), GRPC: h.Version == message.HTTP2 && IsGRPC(h),
	}
	d.Head = d.Method == telemetry.MethodHead
	d.ID.make(h)
}

// Proceed decides what comes behind the question of who may. Decide does so itself, unless it is pending.
func (d *Decision) Proceed(h *message.Head, c *Client, start int64, w *Workspace) *LocalReply {
	t, rt := d.Table, d.Route
	d.Pending = false
	if rt.reply != nil {
		return rt.reply
	}
	if reply := d.countForward(h); reply != nil {
		return reply
	}
	rt.Request.Mark(h)
	if rt.rewrite != nil {
		if reply := d.rewritePath(h, d.Path(h), w); reply != nil {
			return reply
		}
	}
	u := d.choose(h)
	if u == nil {
		return ReplyNoCluster
	}
	d.FailOver(u, h, c)
	if t.MaxBody > 0 && h.ContentLength > t.MaxBody {
		return ReplyMaxBody
	}
	d.Upgrade = h.Upgrade != nil && h.Body == message.NoBody && rt.mayUpgrade(h.Upgrade)
	d.decideDeadline(h, start)
	if rt.mirror != nil && !d.Upgrade && rt.mirror.drawn() {
		d.Mirror = rt.mirror
	}
	return nil
}

// FailOver sends the request h, which came from c, to the cluster u or to one that stands in for it now. Only a request
// that waited for the first endpoints of u asks once more.
func (d *Decision) FailOver(u *Upstream, h *message.Head, c *Client) {
	to := u.serving()
	if to == d.Upstream {
		return
	}
	d.Upstream, d.HashKey, d.cookies = to, 0, nil
	if k := d.Upstream.Hash; k != nil {
		d.HashKey = k.of(h, c, d)
	}
}

func (d *Decision) decideDeadline(h *message.Head, start int64) {
	if limit := d.Route.Config.Timeouts.Request; limit > 0 {
		d.Deadline = start + int64(limit)
	}
	if !d.GRPC {
		return
	}
	if limit := grpcTimeout(h.Get(message.GRPCTimeout)); limit > 0 {
		if at := start + int64(limit); d.Deadline == 0 || at < d.Deadline {
			d.Deadline, d.ClientDeadline = at, true
		}
	}
}

// Path is the normalised path of the request h on which d was made, as a pattern of the route has rewritten it.
func (d *Decision) Path(h *message.Head) []byte {
	if d.normal != nil {
		return d.normal
	}
	return h.Path
}

// Detach makes d independent of the Workspace in which it was made.
func (d *Decision) Detach() { d.normal = bytes.Clone(d.normal) }

// UpstreamTimeout is the longest wait for the response head once the request has been sent; 0 none.
func (d *Decision) UpstreamTimeout() time.Duration {
	if d.GRPC {
		return d.Route.Config.Timeouts.UpstreamGRPC
	}
	return d.Route.Config.Timeouts.Upstream
}

// Offers tells whether protocol is among those that the client has offered to go over to, and all offers are it.
func (d *Decision) Offers(h *message.Head, protocol []byte) bool {
	return d.Upgrade && len(protocol) > 0 &&
		!message.EachElement(h.Upgrade, func(e []byte) bool { return !bytes.EqualFold(e, protocol) })
}
