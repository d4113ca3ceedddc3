package forward

import (
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/proxy/http1"
	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// appendResponse appends the head h as it goes to the client over HTTP/1.1, but for the fields about the connection and
// the empty line behind it.
func appendResponse(dst []byte, h *message.Head) []byte {
	dst = http1.AppendStatusLine(dst, h.Status, reason(h))
	return h.AppendFields(dst, responseDrop(h))
}

// FillResponse adds to f the head h as it goes to the client over HTTP/2.
func FillResponse(f *http2.Fields, h *message.Head) {
	f.Status(h.Status)
	f.AddHead(h, responseDrop(h))
}

// AddCookies adds to a response what gives the client the cookies that its request lacked.
func AddCookies(to sink, d *route.Decision) {
	d.EachCookie(func(value []byte) { to.AddID(message.SetCookie, value) })
}

// appendCookies is AddCookies for HTTP/1.1.
func (ex *exchange) appendCookies(dst []byte) []byte {
	l := &ex.work.lines
	l.b = dst
	AddCookies(l, &ex.decision)
	dst, l.b = l.b, nil
	return dst
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
