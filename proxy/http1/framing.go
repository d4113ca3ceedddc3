package http1

import (
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// frameRequest decides how the request's body ends and what becomes of its connection (RFC 9112 sections 6 and 9.3).
func frameRequest(h *message.Head) error {
	if err := connection(h); err != nil {
		return err
	}
	if err := framed(h, message.NoBody); err != nil {
		return err
	}
	if h.Present.Has(message.Expect) && h.Version == message.HTTP11 {
		if h.Count(message.Expect) > 1 || !message.EqualFold(h.Get(message.Expect), "100-continue") {
			return ErrExpect
		}
		h.Expect100 = true
	}
	h.TETrailers = h.Version == message.HTTP11 && h.HasElement(message.TE, "trailers") // 1.0 has none
	return nil
}

// frameResponse decides how the response's body ends. head: the request was a HEAD.
func frameResponse(h *message.Head, head bool) error {
	if err := connection(h); err != nil {
		return err
	}
	if err := framed(h, message.UntilClose); err != nil {
		return err
	}
	if head || message.Bodiless(h.Status) {
		// A 204 that speaks of a body contradicts itself: who sent it may send the body too, and nothing behind it is
		// to be trusted.
		h.Close = h.Close || h.Status == 204 && (h.Body == message.Sized || h.Body == message.Chunked)
		h.Body = message.NoBody
	}
	if h.Body == message.UntilClose {
		h.Close = true
	}
	return nil
}

// connection reads the Connection field: who must not be forwarded, whether the connection persists, whether Upgrade is
// meant.
func connection(h *message.Head) error {
	if !h.Present.Has(message.Connection) {
		h.Close = h.Version == message.HTTP10
		return nil
	}
	if !h.MarkHop() {
		return ErrConnection
	}
	h.Close = h.HasElement(message.Connection, "close") ||
		h.Version == message.HTTP10 && !h.HasElement(message.Connection, "keep-alive")
	if h.Present.Has(message.Upgrade) && h.Version == message.HTTP11 && h.HasElement(message.Connection, "upgrade") {
		h.Upgrade = h.Get(message.Upgrade)
	}
	return nil
}

// framed sets how the body ends: as the head says or, where it says nothing, as otherwise says.
func framed(h *message.Head, otherwise message.BodyKind) error {
	switch {
	case h.Present.Has(message.TransferEncoding):
		if err := chunkedOnly(h); err != nil {
			return err
		}
		h.Body = message.Chunked
	case h.Present.Has(message.ContentLength):
		n, err := contentLength(h)
		if err != nil {
			return err
		}
		h.Body, h.ContentLength = message.Sized, n
		if n == 0 {
			h.Body = message.NoBody
		}
	default:
		h.Body = otherwise
	}
	return nil
}

// chunkedOnly accepts Transfer-Encoding only where it is exactly one final "chunked" (RFC 9112 section 6.1).
func chunkedOnly(h *message.Head) error {
	if h.Present.Has(message.ContentLength) {
		return ErrLengthAndTE
	}
	if h.Version == message.HTTP10 {
		return ErrTEVersion
	}
	if h.Count(message.TransferEncoding) == 1 && message.EqualFold(h.Get(message.TransferEncoding), "chunked") {
		return nil
	}
	// Refused, but how? A list of codings that ends in the only chunked is well made, and we do not know the others.
	codings, chunked, last, odd := 0, 0, false, false
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.ID != message.TransferEncoding {
			continue
		}
		message.EachElement(h.Value(f), func(e []byte) bool {
			codings++
			if last = message.EqualFold(e, "chunked"); last {
				chunked++
			}
			odd = odd || !message.ValidToken(e) || message.EqualFold(e, "identity")
			return true
		})
	}
	if last && chunked == 1 && codings > 1 && !odd {
		return ErrTEUnknown
	}
	return ErrTE
}

// contentLength takes exactly one valid field (RFC 9112 section 6.3).
func contentLength(h *message.Head) (int64, error) {
	if h.Count(message.ContentLength) > 1 {
		return 0, ErrLengthRepeated
	}
	n, ok := message.ParseLength(h.Get(message.ContentLength))
	if !ok {
		return 0, ErrLength
	}
	return n, nil
}
