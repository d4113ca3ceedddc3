package netio

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// DialFunc connects to the endpoint at address (host:port). It ends with ctx. The connection is the caller's to close.
type DialFunc func(ctx context.Context, address string) (net.Conn, error)

// Dialer returns the plain TCP DialFunc, with keep-alive probes. Host names are resolved each time. Where a connection
// would take a descriptor that limit keeps for others, it fails with EMFILE, as if there were none; limit may be nil.
func Dialer(limit *Limit) DialFunc {
	d := &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true},
		Control: func(_, _ string, c syscall.RawConn) error {
			room := false
			err := c.Control(func(fd uintptr) { room = limit.mayConnect(int(fd)) })
			if err == nil && !room {
				err = os.NewSyscallError("socket", syscall.EMFILE)
			}
			return err
		},
	}
	return func(ctx context.Context, address string) (net.Conn, error) { return d.DialContext(ctx, "tcp", address) }
}

// Corked returns a DialFunc whose connections are those of dial, each under a [Cork], for TLS over them.
func Corked(dial DialFunc) DialFunc {
	return func(ctx context.Context, address string) (net.Conn, error) {
		nc, err := dial(ctx, address)
		if err != nil {
			return nil, err
		}
		return NewCork(nc), nil
	}
}

// ConnectError is that no connection to an endpoint could be made. Its text is short and safe to show.
type ConnectError struct {
	Err  error
	Ours bool // this process or its host has run out of something, see [Exhausted]
}

// NewConnectError wraps what a [DialFunc] returned.
func NewConnectError(err error) *ConnectError { return &ConnectError{Err: err, Ours: Exhausted(err)} }

// Error leaves out the address, which whoever reads it knows.
func (e *ConnectError) Error() string {
	if errors.Is(e.Err, context.DeadlineExceeded) {
		return "connect: timeout"
	}
	err := e.Err
	var dial *net.OpError
	var call *os.SyscallError
	if errors.As(err, &dial) && dial.Op == "dial" {
		if err = dial.Err; errors.As(err, &call) {
			err = call.Err
		}
	}
	return "connect: " + err.Error()
}

func (e *ConnectError) Unwrap() error { return e.Err }
