package mtls

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Dialer returns a DialFunc that speaks TLS over the connections of dial, with HTTP in it.
func (c *Client) Dialer(dial netio.DialFunc) netio.DialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return handshake(ctx, nc, c.Config(address))
	}
}

// TunnelDialer is Dialer with [Client.Tunnel].
func (c *Client) TunnelDialer(dial netio.DialFunc) netio.DialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return c.Tunnel(ctx, nc, address)
	}
}

// Tunnel speaks TLS over nc, which is connected to the endpoint at address, for bytes that are not ours to understand.
// It does so without ALPN, since L4 knows nothing of the cluster's protocol. It owns nc, and closes it where it fails
// or ctx ends before the handshake does.
func (c *Client) Tunnel(ctx context.Context, nc net.Conn, address string) (net.Conn, error) {
	return handshake(ctx, nc, c.TunnelConfig(address))
}

func handshake(ctx context.Context, nc net.Conn, config *tls.Config) (net.Conn, error) {
	tc := tls.Client(nc, config)
	if err := tc.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // it never was a connection
		return nil, &handshakeError{err}
	}
	return tc, nil
}

// handshakeError is that the endpoint did not prove itself, or would not speak TLS.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return "tls: " + Reason(e.err) }
func (e *handshakeError) Unwrap() error { return e.err }

// HTTP2 tells whether ALPN came to HTTP/2 on a connection of a [Client].
func HTTP2(nc net.Conn) bool {
	t, ok := nc.(*tls.Conn)
	return ok && t.ConnectionState().NegotiatedProtocol == "h2"
}
