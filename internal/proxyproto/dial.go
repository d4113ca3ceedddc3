package proxyproto

import (
	"context"
	"net"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Dialer returns a DialFunc that begins each connection of dial with the header of a version (config.ProxyProtocolV1
// or V2). The header says who is connected to whom, see [Write].
func Dialer(dial netio.DialFunc, version string, h Header) netio.DialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		if err := Write(ctx, nc, version, h); err != nil {
			_ = nc.Close() // it never was a connection
			return nil, err
		}
		return nc, nil
	}
}

// Write sends the header that [Append] makes before the deadline of ctx. It fits into the buffer of a fresh socket, so
// it waits for nobody.
func Write(ctx context.Context, nc net.Conn, version string, h Header) error {
	if at, ok := ctx.Deadline(); ok {
		_ = nc.SetWriteDeadline(at) // a closed connection says so at the write
	}
	if _, err := nc.Write(Append(nil, version, h)); err != nil {
		return err
	}
	return nc.SetWriteDeadline(time.Time{})
}
