//go:build !linux

package netio

import (
	"context"
	"net"
)

// listenBeside takes no notice of leavers: elsewhere an address cannot be bound while another that overlaps is.
func listenBeside(ctx context.Context, address string, _ []*Listener) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}
