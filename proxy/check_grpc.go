package proxy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// The gRPC health protocol (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): one call with one small message each way, for which
// a protobuf library would be a large guest.

// askGRPC calls grpc.health.v1.Health/Check. Only SERVING is healthy.
func (k *check) askGRPC(c *netio.Conn, address string) error {
	q := k.open2(c)
	defer q.close()
	h, err := q.send("POST", "/grpc.health.v1.Health/Check", k.authority(address), healthRequest(k.cfg.Service))
	if err != nil {
		return err
	}
	if h.Status != 200 {
		return fmt.Errorf("status %d", h.Status)
	}
	if h.Present.Has(message.GRPCStatus) { // trailers only: there is no message
		return fmt.Errorf("grpc-status %.3s", h.Get(message.GRPCStatus))
	}
	var answer []byte
	for {
		p, err := q.pipe.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if answer = append(answer, p...); len(answer) > mostHealth {
			return errHealthAnswer
		}
	}
	if t := q.pipe.Trailers(); t == nil || string(t.Get(message.GRPCStatus)) != "0" {
		if t == nil || !t.Present.Has(message.GRPCStatus) {
			return errors.New("no grpc-status")
		}
		return fmt.Errorf("grpc-status %.3s", t.Get(message.GRPCStatus))
	}
	status, err := healthStatus(answer)
	if err == nil && status != serving {
		err = fmt.Errorf("serving status %d", status)
	}
	return err
}

const (
	// serving is HealthCheckResponse.SERVING.
	serving = 1
	// mostHealth bounds the answer, which takes seven bytes.
	mostHealth = 4 << 10
	// grpcPrefix is the length of what precedes a message: compressed or not, and its length.
	grpcPrefix = 5
)

// healthRequest is a HealthCheckRequest with its prefix: field 1 is the service, left out when it is empty.
func healthRequest(service string) []byte {
	b := make([]byte, grpcPrefix)
	if service != "" {
		b = append(b, 1<<3|2)
		b = binary.AppendUvarint(b, uint64(len(service)))
		b = append(b, service...)
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-grpcPrefix))
	return b
}

var errHealthAnswer = errors.New("malformed health answer")

// healthStatus reads a HealthCheckResponse with its prefix: field 1 is the status, 0 when it is left out. Fields that we do not know are skipped.
func healthStatus(b []byte) (uint64, error) {
	if len(b) < grpcPrefix || b[0] != 0 || uint64(binary.BigEndian.Uint32(b[1:])) != uint64(len(b)-grpcPrefix) {
		return 0, errHealthAnswer
	}
	b = b[grpcPrefix:]
	status := uint64(0)
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 {
			return 0, errHealthAnswer
		}
		b = b[n:]
		size := uint64(0)
		switch tag & 7 { // the wire type
		case 0:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return 0, errHealthAnswer
			}
			if tag>>3 == 1 {
				status = v
			}
			size = uint64(n)
		case 1:
			size = 8
		case 2:
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return 0, errHealthAnswer
			}
			b, size = b[n:], v
		case 5:
			size = 4
		default:
			return 0, errHealthAnswer
		}
		if size > uint64(len(b)) {
			return 0, errHealthAnswer
		}
		b = b[size:]
	}
	return status, nil
}
