package forward

import (
	"errors"
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/proxy/http2"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// How a response to a client of HTTP/2 ends that has begun and will not become whole. An endpoint's own RST_STREAM goes
// on with its code: that is what its client would see without a gateway. For all else the gateway speaks for itself. A
// call of gRPC ends by trailers with a status, since its caller would make CANCELLED or INTERNAL of a reset. Any other
// response is reset with INTERNAL_ERROR.

// TakesStatus tells whether trailers may end the response with the head h before it is whole. It is one of gRPC, and
// has promised no length.
func TakesStatus(d *route.Decision, h *message.Head) bool {
	return d.GRPC && h.Status == 200 && h.Body != message.Sized && route.IsGRPC(h) && !h.Present.Has(message.GRPCStatus)
}

// EndsCall tells whether trailers are to end a call for this reason. nil is a panic of ours.
func EndsCall(why *route.LocalReply) bool {
	return why != nil && why.Flag != telemetry.DC && !passesReset(why)
}

// passesReset tells that the endpoint has reset the stream itself. At the deadline of the request that is only how it
// keeps the deadline: see Late.
func passesReset(why *route.LocalReply) bool { return errors.Is(why, http2.ErrReset) }

// FillStatus makes f the trailers that tell the caller of a call why it ends.
func FillStatus(f *http2.Fields, why *route.LocalReply) {
	f.Add([]byte("Grpc-Status"), strconv.AppendInt(nil, int64(grpcCode(why)), 10))
	f.Add([]byte("Grpc-Message"), []byte(why.Text))
}

// ResetCode is the code of the reset that tells a client why its request or the response ends. NO_ERROR would make the
// response look whole (RFC 9113 section 8.1). why may be nil: a panic of ours.
func ResetCode(why *route.LocalReply) http2.ErrCode {
	switch {
	case why == nil:
	case Unprocessed(why.Cause):
		return http2.RefusedStream
	case passesReset(why):
		if r, ok := errors.AsType[*http2.ResetError](why); ok && r.Code != http2.NoError {
			return r.Code
		}
	}
	return http2.InternalError
}

// grpcOfReset is the status that a caller of gRPC makes of a reset
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors).
func grpcOfReset(code http2.ErrCode) int {
	switch code {
	case http2.RefusedStream:
		return grpcUnavailable
	case http2.Cancel:
		return grpcCancelled
	case http2.EnhanceYourCalm:
		return grpcResourceExhausted
	case http2.InadequateSecurity:
		return grpcPermissionDenied
	}
	return grpcInternal
}
