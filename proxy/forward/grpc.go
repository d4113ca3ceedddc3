package forward

import (
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// NoGRPCStatus is that no grpc-status has come.
const NoGRPCStatus = -1

// The codes of gRPC (https://grpc.github.io/grpc/core/md_doc_statuscodes.html) that the gateway knows.
const (
	grpcCancelled         = 1
	grpcUnknown           = 2
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcDataLoss          = 15
	grpcUnauthenticated   = 16
)

// grpcStatus is what the head or the trailers of a call say; NoGRPCStatus: nothing, or it is none of gRPC. h may be
// nil.
func grpcStatus(grpc bool, h *message.Head) int {
	if grpc && h != nil && h.Present.Has(message.GRPCStatus) {
		if n, err := strconv.Atoi(string(h.Get(message.GRPCStatus))); err == nil && n >= 0 {
			return n
		}
	}
	return NoGRPCStatus
}

// saysUnavailable tells whether the head of a response to a gRPC call alone says UNAVAILABLE to its caller. That is a
// trailers-only response, or one of a proxy that does not know gRPC.
func saysUnavailable(h *message.Head) bool {
	if h.Present.Has(message.GRPCStatus) {
		return string(h.Get(message.GRPCStatus)) == "14"
	}
	return h.Status >= 502 && h.Status <= 504
}

// grpcFailed tells whether a gRPC status is an error of the server's.
func grpcFailed(status int) bool { return grpcMeans(status) >= 500 }

// grpcMeans is the status of HTTP that a gRPC status stands for which may speak against the endpoint
// (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto); 0: it never does. A call that takes too
// long, or that the endpoint does not know, is the caller's matter.
func grpcMeans(status int) int {
	switch status {
	case grpcUnknown, grpcInternal, grpcDataLoss:
		return 500
	case grpcUnavailable:
		return 503
	case grpcResourceExhausted:
		return 429
	}
	return 0
}

// grpcCode is the code that tells a gRPC client of a local reply
// (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
func grpcCode(r *route.LocalReply) int {
	switch r.Flag {
	case telemetry.DC:
		return grpcCancelled
	case telemetry.UT:
		return grpcDeadlineExceeded
	case telemetry.NR:
		return grpcUnimplemented
	case telemetry.RL:
		return grpcResourceExhausted
	case telemetry.UPE, telemetry.DPE:
		return grpcInternal
	}
	switch r.Status {
	case 400:
		return grpcInternal
	case 401:
		return grpcUnauthenticated
	case 403:
		return grpcPermissionDenied
	case 404:
		return grpcUnimplemented
	case 429, 502, 503, 504:
		return grpcUnavailable
	}
	return grpcUnknown
}
