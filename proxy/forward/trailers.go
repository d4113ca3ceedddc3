package forward

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// neverTrailer are the fields that must not come behind a body: framing, routing, authentication and what we vouch
// for ourselves (RFC 9110 section 6.5.1).
var neverTrailer = message.HopByHop | forwarded | message.Of(message.ContentLength, message.Host, message.Trailer,
	message.Authorization, message.Cookie, message.SetCookie, message.Expect, message.ContentEncoding,
	message.ContentType,
	message.ContentRange, message.XRequestID)

// vetTrailers marks the trailers that have no ID and still must not pass. These are what the sender says of the
// client, and who authenticated whom (RFC 9110 section 6.5.1). t may be nil.
func vetTrailers(t *message.Head) *message.Head {
	if t == nil {
		return nil
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.ID != message.Other {
			continue
		}
		name := t.Name(f)
		f.Hop = f.Hop || route.IsClaim(name) || message.EqualFold(name, "www-authenticate") ||
			message.EqualFold(name, "authentication-info") || message.EqualFold(name, "proxy-authentication-info")
	}
	return t
}

// vetRequestTrailers is vetTrailers for those of the request that d was made on.
func vetRequestTrailers(t *message.Head, d *route.Decision) *message.Head {
	vetTrailers(t)
	d.MarkTrailers(t)
	return t
}

// FillRequestTrailers is FillTrailers for those of the request that d was made on.
func FillRequestTrailers(f *http2.Fields, t *message.Head, d *route.Decision) {
	FillTrailers(f, vetRequestTrailers(t, d))
}

// FillTrailers adds to f what of the trailer section t goes on over HTTP/2.
func FillTrailers(f *http2.Fields, t *message.Head) { f.AddHead(vetTrailers(t), neverTrailer) }
