package netio

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// soReuseport is SO_REUSEPORT of every architecture but MIPS and SPARC, where binding beside fails as without it.
const soReuseport = 15

// listenBeside binds an address, if need be one whose port leavers, which are about to be closed, hold on addresses
// that overlap. So 127.0.0.1:80 becomes :80 without a moment in which nobody listens. Other processes are kept away as
// before, since both sides must agree to share.
func listenBeside(ctx context.Context, address string, leavers []*Listener) (net.Listener, error) {
	ln, err := listenConfig(nil).Listen(ctx, "tcp", address)
	if len(leavers) == 0 || !errors.Is(err, syscall.EADDRINUSE) {
		return ln, err
	}
	for _, l := range leavers {
		if sc, ok := l.ln.(syscall.Conn); ok {
			if raw, err := sc.SyscallConn(); err == nil {
				_ = share(raw) // if it will not, the bind says so
			}
		}
	}
	return listenConfig(share).Listen(ctx, "tcp", address)
}

func share(raw syscall.RawConn) error {
	var err error
	closed := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soReuseport, 1)
	})
	return errors.Join(closed, err)
}
