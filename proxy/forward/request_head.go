package forward

import (
	"strings"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// forwarded are the fields that say who the client is: ours to write.
var forwarded = message.Of(message.XForwardedFor, message.XForwardedHost, message.XForwardedProto,
	message.XForwardedClientCert)

// requestHead is the head of one request as it goes to one endpoint.
type requestHead struct {
	*message.Head
	decision *route.Decision
	client   *route.Client
	address  string // of the endpoint
	work     *Workspace
}

func (ex *exchange) requestHead() requestHead {
	return requestHead{&ex.req, &ex.decision, ex.client, ex.attempt.Endpoint.Address(), ex.work}
}

// FillRequest adds to f the head of the request h as it goes to the endpoint at address over HTTP/2.
func FillRequest(f *http2.Fields, h *message.Head, d *route.Decision, c *route.Client, address string, w *Workspace) {
	r := requestHead{h, d, c, address, w}
	r.fillH2(f)
}

// host is the endpoint's address as a Host field has it: without a zone, which means something on this host only (RFC
// 6874 section 4).
func (r *requestHead) host() string {
	before, after, zoned := strings.Cut(r.address, "%")
	if !zoned {
		return r.address
	}
	if end := strings.IndexByte(after, ']'); end >= 0 {
		return before + after[end:]
	}
	return before
}

// appendH1 appends the head that goes to the endpoint in HTTP/1.1. What is kept keeps its order, its case and its
// bytes.
func (r *requestHead) appendH1(dst []byte) []byte {
	h := r.Head
	dst = append(dst, h.Method...)
	dst = append(dst, ' ')
	dst = r.appendTarget(dst)
	dst = append(dst, " HTTP/1.1\r\n"...)

	drop := message.HopByHop | forwarded | traceFields(&r.decision.Trace)
	if !h.Expect100 {
		drop |= message.Of(message.Expect)
	}
	dst, changed := r.appendHost(dst)
	if changed {
		drop |= message.Of(message.Host)
	}
	if h.Version == message.HTTP2 && h.Present.Has(message.Cookie) {
		dst = http2.JoinCookies(dst, h)
		drop |= message.Of(message.Cookie)
	}
	dst = h.AppendFields(dst, drop)
	r.work.lines.b = dst
	r.add(&r.work.lines)
	dst, r.work.lines.b = r.work.lines.b, nil
	switch {
	case r.decision.Upgrade:
		dst = append(dst, "Connection: Upgrade\r\n"...)
		dst = http1.AppendField(dst, "Upgrade", h.Upgrade)
	case h.TETrailers:
		dst = append(dst, "Connection: TE\r\nTE: trailers\r\n"...)
	}
	if h.Body == message.Chunked {
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// fillH2 is appendH1 for HTTP/2.
func (r *requestHead) fillH2(f *http2.Fields) {
	h := r.Head
	r.work.target = r.appendTarget(r.work.target[:0])
	authority := h.Authority
	switch c := r.decision.Route.Config; {
	case c.HostRewrite != "":
		authority = append(r.work.authority[:0], c.HostRewrite...)
		r.work.authority = authority
	case c.EndpointHost || len(authority) == 0:
		authority = append(r.work.authority[:0], r.host()...)
		r.work.authority = authority
	}
	f.Request(h.Method, r.decision.Upstream.Scheme, authority, r.work.target)
	f.AddHead(h, message.HopByHop|forwarded|message.Of(message.Host)|traceFields(&r.decision.Trace))
	r.add(f)
	if h.TETrailers {
		f.AddTETrailers()
	}
}

// appendTarget appends the request target: the bytes that came, unless the route rewrites its path.
func (r *requestHead) appendTarget(dst []byte) []byte {
	h := r.Head
	if out, rewritten := r.decision.AppendPath(dst, h); rewritten {
		return r.appendQuery(out)
	}
	if h.Scheme == nil || h.Version == message.HTTP2 {
		return append(dst, h.Target...)
	}
	// absolute-form becomes origin-form (RFC 9112 section 3.2.1); without a path it is "/", or "*" for OPTIONS.
	switch {
	case len(h.Path) > 0:
		dst = append(dst, h.Path...)
	case string(h.Method) == "OPTIONS" && h.Query == nil:
		dst = append(dst, '*')
	default:
		dst = append(dst, '/')
	}
	return r.appendQuery(dst)
}

func (r *requestHead) appendQuery(dst []byte) []byte {
	if r.Query != nil {
		dst = append(dst, '?')
		dst = append(dst, r.Query...)
	}
	return dst
}

// appendHost appends the Host that goes upstream, unless it is the request's own field, which then stays in its place.
func (r *requestHead) appendHost(dst []byte) (out []byte, changed bool) {
	c := r.decision.Route.Config
	switch {
	case c.HostRewrite != "":
		return http1.AppendField(dst, "Host", c.HostRewrite), true
	case c.EndpointHost || len(r.Authority) == 0:
		return http1.AppendField(dst, "Host", r.host()), true
	case !r.Present.Has(message.Host):
		return http1.AppendField(dst, "Host", r.Authority), true
	}
	return dst, false
}

// sink takes the fields that the gateway adds to a message, in whatever version it is written.
type sink interface {
	AddID(id message.ID, value []byte)
	route.FieldWriter
}

// lines is a sink of HTTP/1.1 field lines.
type lines struct{ b []byte }

func (l *lines) AddID(id message.ID, value []byte) {
	l.b = http1.AppendField(l.b, id.Canonical(), value)
}

func (l *lines) BeginField(name []byte) []byte { return append(append(l.b, name...), ": "...) }

func (l *lines) EndField(_, b []byte, _ int) { l.b = append(b, "\r\n"...) }

// The schemes of requests, for HTTP/2. Not to be edited.
var (
	SchemeHTTP  = []byte("http")
	SchemeHTTPS = []byte("https")
)

// add writes what the gateway says of the request, and then what the route adds to it.
func (r *requestHead) add(to sink) {
	r.addForwarded(to)
	r.addTrace(to)
	r.decision.Route.Request.Add(to, &route.Exchange{
		Decision: r.decision, Request: r.Head, Client: r.client, Endpoint: r.address,
	})
}

// addID adds a field, unless the route removes or replaces it.
func (r *requestHead) addID(to sink, id message.ID, value []byte) {
	if !r.decision.Route.Request.Drops(id) {
		to.AddID(id, value)
	}
}

// addForwarded says who the client is. A trusted proxy's word is kept and added to; anybody else's is replaced.
func (r *requestHead) addForwarded(to sink) {
	h, c := r.Head, r.client
	r.work.chain = r.work.chain[:0]
	if c.Trusted && h.Present.Has(message.XForwardedFor) {
		for i := range h.Fields {
			if f := &h.Fields[i]; f.ID == message.XForwardedFor && len(h.Value(f)) > 0 {
				r.work.chain = append(append(r.work.chain, h.Value(f)...), ", "...)
			}
		}
	}
	r.work.chain = append(r.work.chain, c.IP...)
	r.addID(to, message.XForwardedFor, r.work.chain)

	host := h.Authority
	if c.Trusted && h.Present.Has(message.XForwardedHost) {
		host = h.Get(message.XForwardedHost)
	}
	if len(host) > 0 {
		r.addID(to, message.XForwardedHost, host)
	}
	switch {
	case c.Trusted && h.Present.Has(message.XForwardedProto):
		r.addID(to, message.XForwardedProto, h.Get(message.XForwardedProto))
	case c.Scheme == telemetry.SchemeHTTPS:
		r.addID(to, message.XForwardedProto, SchemeHTTPS)
	default:
		r.addID(to, message.XForwardedProto, SchemeHTTP)
	}
	if c.TLS != nil && len(c.TLS.Cert) > 0 {
		r.addID(to, message.XForwardedClientCert, c.TLS.Cert)
	}
	if id := r.decision.ID.Bytes(); len(id) > 0 {
		r.addID(to, message.XRequestID, id)
	}
}
