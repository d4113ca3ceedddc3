//go:build !linux

package netio

import (
	"context"
	"net"
	"time"
)

// acceptor is not built for this system: a net.Listener accepts, and holds a place while it waits.
type acceptor struct{}

func newAcceptor(net.Listener) *acceptor { return nil }

func (a *acceptor) next(context.Context, *Limit) (net.Conn, error) { return nil, net.ErrClosed }
func (a *acceptor) setDeadline(time.Time)                          {}
func (a *acceptor) close()                                         {}
