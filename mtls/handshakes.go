package mtls

import (
	"context"
	"crypto/tls"
)

// Handshakes bounds the handshakes with clients that are worked on at a time; those over it wait. One whose client has
// not said all of its hello is not among them. It costs no more than its connection, and a few silent clients must not
// keep all others out.
type Handshakes struct {
	places chan struct{} // a token for each one under way
}

// MaxHandshakes is the bound of each plane.
const MaxHandshakes = 1024

// NewHandshakes returns the bound of n.
func NewHandshakes(n int) *Handshakes { return &Handshakes{make(chan struct{}, n)} }

// Do makes the handshake of tc, whose config is a [Server.ServerConfig]. wait bounds the wait for a place, ctx the
// handshake: crypto/tls closes the connection when it ends. Safe from many goroutines.
func (h *Handshakes) Do(wait, ctx context.Context, tc *tls.Conn) error {
	taken := false
	enter := enterFunc(func(ctx context.Context) error {
		select {
		case h.places <- struct{}{}:
			taken = true
			return nil
		case <-wait.Done():
			return wait.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	defer func() {
		if taken {
			<-h.places
		}
	}()
	return tc.HandshakeContext(context.WithValue(ctx, enterKey{}, enter))
}

// enterFunc is how Do hears, through the context of the handshake, that the hello is there. The config knows of no
// single connection.
type (
	enterFunc func(context.Context) error
	enterKey  struct{}
)

// helloCame asks Do for a place, where it is Do's handshake.
func helloCame(ctx context.Context) error {
	if ctx == nil { // no handshake of crypto/tls
		return nil
	}
	if enter, ok := ctx.Value(enterKey{}).(enterFunc); ok {
		return enter(ctx)
	}
	return nil
}
