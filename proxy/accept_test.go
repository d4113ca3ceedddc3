package proxy

import (
	"errors"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A panic while a connection is accepted is counted as one, and is no failure to accept.
func TestPanicWhileAccepting(t *testing.T) {
	var log testserver.Log
	s := New(t.Context(), Options{
		Registry: telemetry.NewRegistry(), Logger: log.Logger(), Limit: netio.NewLimit(1), Unchecked: true,
	})
	s.acceptFailed("web", errors.New("too many open files"))
	s.acceptFailed("web", &netio.PanicError{Value: "a bug of ours", Stack: []byte("stack")})
	if n := s.engine.Registry.Panics.Count(telemetry.L7); n != 1 {
		t.Errorf("%d panics were counted, want 1", n)
	}
	for _, want := range []string{
		`accept failed: listener=web error="too many open files"`,
		"BUG: panic in " + beforeRequest,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log.String())
		}
	}
	if n := strings.Count(log.String(), "accept failed"); n != 1 {
		t.Errorf("%d times accepting failed, want once: %s", n, log.String())
	}
}
