package proxy

import (
	"strconv"
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// isGRPC tells a gRPC call by its content type: application/grpc, also with +proto, +json and parameters.
func isGRPC(h *message.Head) bool {
	const prefix = "application/grpc"
	v := h.Get(message.ContentType)
	if len(v) < len(prefix) || string(v[:len(prefix)]) != prefix {
		return false
	}
	return len(v) == len(prefix) || v[len(prefix)] == '+' || v[len(prefix)] == ';'
}

// grpcTimeout reads a grpc-timeout: up to eight digits and a unit (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). What is
// no timeout is none: the endpoint will say what it thinks of it.
func grpcTimeout(v []byte) time.Duration {
	if len(v) < 2 || len(v) > 9 {
		return 0
	}
	unit := time.Duration(0)
	switch v[len(v)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	}
	n := time.Duration(0)
	for _, c := range v[:len(v)-1] {
		if c-'0' > 9 {
			return 0
		}
		n = n*10 + time.Duration(c-'0')
	}
	if n > maxGRPCTimeout/max(unit, 1) {
		return maxGRPCTimeout
	}
	return n * unit
}

// maxGRPCTimeout is as good as none.
const maxGRPCTimeout = 365 * 24 * time.Hour

// noGRPCStatus is that no grpc-status has come.
const noGRPCStatus = -1

// noteGRPC takes the status of a gRPC call from the head or the trailers that carry it.
func (ex *exchange) noteGRPC(h *message.Head) {
	if !ex.grpc || h == nil || !h.Present.Has(message.GRPCStatus) {
		return
	}
	if n, err := strconv.Atoi(string(h.Get(message.GRPCStatus))); err == nil && n >= 0 {
		ex.grpcStatus = n
	}
}

// unavailable tells whether the head of the answer alone says UNAVAILABLE to a caller of gRPC: a trailers-only answer, or one of a proxy that
// does not know gRPC.
func (ex *exchange) unavailable() bool {
	switch {
	case !ex.grpc:
		return false
	case ex.resp.Present.Has(message.GRPCStatus):
		return string(ex.resp.Get(message.GRPCStatus)) == "14"
	}
	return ex.resp.Status >= 502 && ex.resp.Status <= 504
}

// grpcFailed tells whether a gRPC status speaks against the endpoint: UNKNOWN, INTERNAL, UNAVAILABLE, DATA_LOSS.
func grpcFailed(status int) bool { return status == 2 || status == 13 || status == 14 || status == 15 }

// grpcCode is the code a gRPC client understands (https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).
func grpcCode(f *fault) int {
	const (
		cancelled, unknown, deadlineExceeded, resourceExhausted, unimplemented, internal, unavailable, unauthenticated = 1, 2, 4, 8, 12, 13, 14, 16
	)
	switch f.flag {
	case telemetry.DC:
		return cancelled
	case telemetry.UT:
		return deadlineExceeded
	case telemetry.NR:
		return unimplemented
	case telemetry.RL:
		return resourceExhausted
	case telemetry.UPE, telemetry.DPE:
		return internal
	}
	switch f.status {
	case 401:
		return unauthenticated
	case 429, 502, 503, 504:
		return unavailable
	}
	return unknown
}
