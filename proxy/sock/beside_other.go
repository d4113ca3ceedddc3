//go:build !linux

package sock

import (
	"context"
	"net"
)

// ListenBeside is Listen: elsewhere an address cannot be bound while another that overlaps is.
func ListenBeside(ctx context.Context, address string, _ []net.Listener) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
}
