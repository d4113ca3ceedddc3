package proxy

import (
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// forwarded are the fields that say who the client is: ours to write.
var forwarded = message.Of(message.XForwardedFor, message.XForwardedHost, message.XForwardedProto, message.XForwardedClientCert)

// neverTrailer are the fields that must not come behind a body: framing, routing, authentication and what we vouch for ourselves
// (RFC 9110 section 6.5.1).
var neverTrailer = message.HopByHop | message.Of(message.ContentLength, message.Host, message.Trailer, message.Authorization, message.Cookie,
	message.SetCookie, message.Expect, message.ContentEncoding, message.ContentType, message.ContentRange, message.XForwardedFor,
	message.XForwardedHost, message.XForwardedProto, message.XForwardedClientCert, message.XRequestID)

// appendRequest appends the head that goes to ep in HTTP/1.1. What is kept keeps its order, its case and its bytes.
func (ex *exchange) appendRequest(dst []byte, address string) []byte {
	h := &ex.req
	dst = append(dst, h.Method...)
	dst = append(dst, ' ')
	dst = ex.appendTarget(dst)
	dst = append(dst, " HTTP/1.1\r\n"...)

	drop := message.HopByHop | forwarded
	if !h.Expect100 {
		drop |= message.Of(message.Expect)
	}
	dst, changed := ex.appendHost(dst, address)
	if changed {
		drop |= message.Of(message.Host)
	}
	if h.Version == message.HTTP2 && h.Present.Has(message.Cookie) {
		dst = http2.JoinCookies(dst, h)
		drop |= message.Of(message.Cookie)
	}
	dst = h.AppendFields(dst, drop)
	ex.work.lines.b = dst
	ex.addForwarded(&ex.work.lines)
	dst, ex.work.lines.b = ex.work.lines.b, nil
	switch {
	case h.Upgrade != nil:
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

// fillRequest is appendRequest for HTTP/2.
func (ex *exchange) fillRequest(f *http2.Fields) {
	h := &ex.req
	ex.work.target = ex.appendTarget(ex.work.target[:0])
	authority := h.Authority
	switch c := ex.rt.cfg; {
	case c.HostRewrite != "":
		authority = append(ex.work.authority[:0], c.HostRewrite...)
		ex.work.authority = authority
	case c.EndpointHost || len(authority) == 0:
		authority = append(ex.work.authority[:0], ex.ep.Address()...)
		ex.work.authority = authority
	}
	f.Request(h.Method, ex.up.scheme, authority, ex.work.target)
	f.AddHead(h, message.HopByHop|forwarded|message.Of(message.Host))
	ex.addForwarded(f)
	if h.TETrailers {
		f.AddTETrailers()
	}
}

// appendTarget appends the request target: the bytes that came, unless the route rewrites its prefix.
func (ex *exchange) appendTarget(dst []byte) []byte {
	h := &ex.req
	if rewrite := ex.rt.cfg.PrefixRewrite; rewrite != "" && h.Path != nil && string(h.Path) != "*" {
		rest := h.Path
		n := len(ex.rt.prefix)
		if len(rest) >= n && string(rest[:n]) == ex.rt.prefix && config.StaysBelow(rest[n:]) {
			rest = rest[n:]
		} else {
			rest = ex.path[n:]
		}
		if rewrite != "/" {
			dst = append(dst, rewrite...)
		} else if len(rest) == 0 {
			dst = append(dst, '/')
		}
		dst = append(dst, rest...)
		return ex.appendQuery(dst)
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
	return ex.appendQuery(dst)
}

func (ex *exchange) appendQuery(dst []byte) []byte {
	if ex.req.Query != nil {
		dst = append(dst, '?')
		dst = append(dst, ex.req.Query...)
	}
	return dst
}

// appendHost appends the Host that goes upstream, unless it is the request's own field, which then stays in its place.
func (ex *exchange) appendHost(dst []byte, address string) (out []byte, changed bool) {
	c := ex.rt.cfg
	switch {
	case c.HostRewrite != "":
		return http1.AppendField(dst, "Host", c.HostRewrite), true
	case c.EndpointHost || len(ex.req.Authority) == 0:
		return http1.AppendField(dst, "Host", address), true
	case !ex.req.Present.Has(message.Host):
		return http1.AppendField(dst, "Host", ex.req.Authority), true
	}
	return dst, false
}

// sink takes the fields that the gateway adds to a message, in whatever version it is written.
type sink interface {
	AddID(id message.ID, value []byte)
}

// lines is a sink of HTTP/1.1 field lines.
type lines struct{ b []byte }

func (l *lines) AddID(id message.ID, value []byte) {
	l.b = http1.AppendField(l.b, id.Canonical(), value)
}

var (
	schemeHTTP  = []byte("http")
	schemeHTTPS = []byte("https")
)

// addForwarded says who the client is. A trusted proxy's word is kept and added to; anybody else's is replaced.
func (ex *exchange) addForwarded(to sink) {
	h, c := &ex.req, ex.c
	ex.work.chain = ex.work.chain[:0]
	if c.trusted && h.Present.Has(message.XForwardedFor) {
		for i := range h.Fields {
			if f := &h.Fields[i]; f.ID == message.XForwardedFor && len(h.Value(f)) > 0 {
				ex.work.chain = append(append(ex.work.chain, h.Value(f)...), ", "...)
			}
		}
	}
	ex.work.chain = append(ex.work.chain, c.ip...)
	to.AddID(message.XForwardedFor, ex.work.chain)

	host := h.Authority
	if c.trusted && h.Present.Has(message.XForwardedHost) {
		host = h.Get(message.XForwardedHost)
	}
	if len(host) > 0 {
		to.AddID(message.XForwardedHost, host)
	}
	switch {
	case c.trusted && h.Present.Has(message.XForwardedProto):
		to.AddID(message.XForwardedProto, h.Get(message.XForwardedProto))
	case c.scheme == telemetry.SchemeHTTPS:
		to.AddID(message.XForwardedProto, schemeHTTPS)
	default:
		to.AddID(message.XForwardedProto, schemeHTTP)
	}
	if c.tls != nil && len(c.tls.cert) > 0 {
		to.AddID(message.XForwardedClientCert, c.tls.cert)
	}
	if ex.idLen > 0 {
		to.AddID(message.XRequestID, ex.id[:ex.idLen])
	}
}

// vetted marks the trailers that have no ID and still must not pass: what the client's proxies say of it, and who authenticated whom.
// t may be nil.
func vetted(t *message.Head) *message.Head {
	if t == nil {
		return nil
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.ID != message.Other {
			continue
		}
		const ours = "x-forwarded-"
		name := t.Name(f)
		f.Hop = len(name) > len(ours) && message.EqualFold(name[:len(ours)], ours) || message.EqualFold(name, "forwarded") ||
			message.EqualFold(name, "www-authenticate") || message.EqualFold(name, "authentication-info") || message.EqualFold(name, "proxy-authentication-info")
	}
	return t
}

// responseDrop are the fields of a response with this status that do not go to the client.
func responseDrop(h *message.Head) message.Set {
	drop := message.HopByHop
	if h.Status < 200 || h.Status == 204 || h.Body == message.Chunked || h.Body == message.UntilClose {
		drop |= message.Of(message.ContentLength) // RFC 9110 section 8.6: none in 1xx and 204
	}
	return drop
}

// keepAlive is what a Keep-Alive field with a timeout says, in seconds; 0 without one.
func keepAlive(h *message.Head) int {
	if !h.Present.Has(message.KeepAlive) {
		return 0
	}
	seconds := 0
	message.EachElement(h.Get(message.KeepAlive), func(e []byte) bool {
		const name = "timeout="
		if len(e) > len(name) && message.EqualFold(e[:len(name)], name) {
			if n, err := strconv.Atoi(string(e[len(name):])); err == nil && n > 0 {
				seconds = n
			}
			return false
		}
		return true
	})
	return seconds
}
