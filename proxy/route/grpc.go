package route

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// IsGRPC tells a request or a response of gRPC by its content type. That is application/grpc, also with +proto, +json
// and parameters.
func IsGRPC(h *message.Head) bool {
	const prefix = "application/grpc"
	v := h.Get(message.ContentType)
	if len(v) < len(prefix) || string(v[:len(prefix)]) != prefix {
		return false
	}
	return len(v) == len(prefix) || v[len(prefix)] == '+' || v[len(prefix)] == ';'
}

// maxGRPCTimeout is as good as none.
const maxGRPCTimeout = 365 * 24 * time.Hour

// grpcTimeout reads a grpc-timeout: up to eight digits and a unit
// (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). What is malformed is no timeout: the endpoint says
// what it thinks of it.
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
