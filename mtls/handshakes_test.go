package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// Silent clients keep nobody out; those that have said their hello are counted, and wait for a place no longer than
// they may.
func TestHandshakesCountFromTheHello(t *testing.T) {
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	set, _ := newSet(t, Options{})
	server := prepare(t, set, listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(t, "a.test").Write(t, dir, "a"))},
	})).Server("web")
	synctest.Test(t, func(t *testing.T) {
		h := NewHandshakes(1)
		serve := func(ctx context.Context) (client net.Conn, done chan error) {
			here, there := net.Pipe()
			done = make(chan error, 1)
			go func() {
				done <- h.Do(ctx, ctx, tls.Server(here, server.ServerConfig()))
				here.Close()
			}()
			return there, done
		}
		greet := func(nc net.Conn) error {
			c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is about the server
			return c.HandshakeContext(t.Context())
		}
		silent, gone := serve(t.Context())
		synctest.Wait()
		for range 2 { // the place is given back
			nc, done := serve(t.Context())
			if err := greet(nc); err != nil {
				t.Errorf("client beside a silent one: %v", err)
			}
			if err := <-done; err != nil {
				t.Errorf("Do = %v", err)
			}
			nc.Close()
		}
		silent.Close()
		if err := <-gone; err == nil {
			t.Error("a handshake without a hello was made")
		}

		h.places <- struct{}{} // somebody is at work, for long
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		nc, done := serve(ctx)
		if err := greet(nc); err == nil {
			t.Error("there was no place, and the handshake was made")
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Do = %v, want the end of its time", err)
		}
	})
}
