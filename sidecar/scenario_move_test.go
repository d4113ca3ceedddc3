package sidecar_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// A listener moves from loopback to every address of its port and back: the two
// overlap, and there is no moment in which nobody listens.
func TestListenerMoves(t *testing.T) {
	t.Parallel()
	answering := app(t, "app")
	narrow := testserver.Addr(t)
	wide := ":" + strconv.Itoa(port(t, narrow))
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	document := func(address string) string {
		return fmt.Sprintf("listeners: [{name: moves, address: %q}]\n", address) + one(answering)
	}
	write(t, path, document(narrow))
	g := serve(t, env{"GATEWAY_CONFIG": path})
	kept := newKeeper(t, narrow)
	for n, address := range []string{wide, narrow, wide, narrow} {
		write(t, path, document(address))
		g.wait("the listener on "+address, func(s status) bool {
			if s.Revision.LastRejected != nil {
				t.Fatalf("%s: rejected for %q", address, s.Revision.LastRejected.Reasons)
			}
			return s.Revision.Applied == n+2
		})
		client.CloseIdleConnections()
		if code, body, err := fetch("http://" + narrow); err != nil || code != http.StatusOK || body != "app" {
			t.Errorf("on %s: %d %q %v, want the app", address, code, body, err)
		}
		if again, err := kept.ask(); err != nil || !again {
			t.Errorf("a kept connection: %v, again %v", err, again)
		}
	}
}
