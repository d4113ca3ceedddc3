package forward

import (
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// appendInterim appends the head h of an interim response as it goes to the client over HTTP/1.1, but for the empty
// line behind it.
func appendInterim(dst []byte, h *message.Head) []byte {
	dst = http1.AppendStatusLine(dst, h.Status, reason(h))
	return h.AppendFields(dst, responseDrop(h))
}

// FillInterim adds to f the head h of an interim response as it goes to the client over HTTP/2.
func FillInterim(f *http2.Fields, h *message.Head) {
	f.Status(h.Status)
	f.AddHead(h, responseDrop(h))
}

// Response is the head of a final response as it goes to the client. It is as it came or as the gateway made it, and
// as the route of the request edits it, if there is one.
type Response struct {
	*message.Head
	route.Exchange
}

func (ex *exchange) response(h *message.Head) Response {
	r := Response{h, route.Exchange{Decision: &ex.decision, Request: &ex.req, Client: ex.client}}
	if ep := ex.attempt.Endpoint; ep != nil {
		r.Endpoint = ep.Address()
	}
	return r
}

// appendH1 appends the head as it goes over HTTP/1.1, but for the fields about the connection and the empty line behind
// it. l is where it is written.
func (r *Response) appendH1(dst []byte, l *lines) []byte {
	r.edits().Mark(r.Head)
	l.b = appendInterim(dst, r.Head)
	r.add(l)
	dst, l.b = l.b, nil
	return dst
}

// FillH2 adds the head to f as it goes over HTTP/2.
func (r *Response) FillH2(f *http2.Fields) {
	r.edits().Mark(r.Head)
	FillInterim(f, r.Head)
	r.add(f)
}

// edits are those of the route; nil: there is none, or it edits nothing.
func (r *Response) edits() *route.Edits {
	if rt := r.Decision.Route; rt != nil {
		return rt.Response
	}
	return nil
}

// add writes what gives the client the cookies that its request lacked, and then what the route adds.
func (r *Response) add(to sink) {
	e := r.edits()
	if !e.Drops(message.SetCookie) {
		r.Decision.EachCookie(func(value []byte) { to.AddID(message.SetCookie, value) })
	}
	e.Add(to, &r.Exchange)
}

// responseDrop are the fields of a response with this status that do not go to the client.
func responseDrop(h *message.Head) message.Set {
	drop := message.HopByHop
	if h.Status < 200 || h.Status == 204 || h.Body == message.Chunked || h.Body == message.UntilClose {
		drop |= message.Of(message.ContentLength) // RFC 9110 section 8.6: none in 1xx and 204
	}
	return drop
}

// reason is the reason phrase as it came; HTTP/2 has none.
func reason(h *message.Head) []byte {
	if h.Version == message.HTTP2 {
		return nil
	}
	return h.Reason
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
