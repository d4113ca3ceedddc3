package healthcheck

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// The gRPC health protocol (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): one call with one small
// message each way. Generated messages would be a heavy dependency for two fields; the wire format is enough.

// askGRPC calls grpc.health.v1.Health/Check. Only SERVING is healthy.
func (a *asking) askGRPC(c *netio.Conn) error {
	x := a.open(c)
	defer x.close()
	h, err := x.send("POST", "/grpc.health.v1.Health/Check", healthRequest(a.cfg.Service))
	if err != nil {
		return err
	}
	if h.Status != 200 {
		return fmt.Errorf("status %d", h.Status)
	}
	if h.Present.Has(message.GRPCStatus) { // trailers only: there is no message
		return fmt.Errorf("grpc-status %.3s", h.Get(message.GRPCStatus))
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	t := x.pipe.Trailers()
	if t == nil || !t.Present.Has(message.GRPCStatus) {
		return errors.New("no grpc-status")
	}
	if code := t.Get(message.GRPCStatus); string(code) != "0" {
		return fmt.Errorf("grpc-status %.3s", code)
	}
	status, err := healthStatus(body)
	if err == nil && status != serving {
		err = fmt.Errorf("serving status %d", status)
	}
	return err
}

// body reads the response to its end.
func (x *exchange) body() (body []byte, err error) {
	for {
		p, err := x.pipe.Next()
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return nil, err
		}
		if body = append(body, p...); len(body) > maxHealth {
			return nil, errHealthMessage
		}
	}
}

const (
	// serving is HealthCheckResponse.SERVING.
	serving = 1
	// maxHealth bounds the response in bytes; seven are enough.
	maxHealth = 4 << 10
	// grpcPrefix is the length of what precedes a message: compressed or not, and its length.
	grpcPrefix = 5

	serviceField = protowire.Number(1) // of HealthCheckRequest
	statusField  = protowire.Number(1) // of HealthCheckResponse
)

// healthRequest is a HealthCheckRequest with its prefix. An empty service is left out.
func healthRequest(service string) []byte {
	b := make([]byte, grpcPrefix)
	if service != "" {
		b = protowire.AppendTag(b, serviceField, protowire.BytesType)
		b = protowire.AppendString(b, service)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-grpcPrefix))
	return b
}

var errHealthMessage = errors.New("malformed health message")

// healthStatus reads a HealthCheckResponse with its prefix. A status that is left out is 0, the last of several counts,
// and fields that we do not know are skipped.
func healthStatus(b []byte) (status uint64, err error) {
	if len(b) < grpcPrefix || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-grpcPrefix) {
		return 0, errHealthMessage
	}
	for b = b[grpcPrefix:]; len(b) > 0; {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, errHealthMessage
		}
		b = b[n:]
		if number == statusField && kind == protowire.VarintType {
			status, n = protowire.ConsumeVarint(b)
		} else {
			n = protowire.ConsumeFieldValue(number, kind, b)
		}
		if n < 0 {
			return 0, errHealthMessage
		}
		b = b[n:]
	}
	return status, nil
}
