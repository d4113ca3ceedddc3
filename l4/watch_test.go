package l4

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A panic of the watch over one connection ends that one, and the others are looked at all the same.
func TestPanicOfTheWatch(t *testing.T) {
	s := New(t.Context(), Options{
		Registry: telemetry.NewRegistry(), Logger: hclog.NewNullLogger(), Limit: netio.NewLimit(10),
	})
	conns := map[string]*conn{}
	for _, name := range []string{"broken", "late"} {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := newConn(s, &settings{max: time.Minute}, ours, cancel)
		if name == "broken" {
			c.set = nil // a bug of ours
		}
		conns[name] = c
		s.mu.Lock()
		s.live[c] = struct{}{} // the server's own watch rests, since track was not called
		s.mu.Unlock()
		defer func() {
			if ctx.Err() == nil {
				t.Errorf("the %s connection goes on", name)
			}
		}()
	}
	if n := s.check(time.Now().Add(time.Hour)); n != 2 {
		t.Errorf("%d connections were looked at, want 2", n)
	}
	for name, want := range map[string]telemetry.Flag{"broken": telemetry.LR, "late": telemetry.DT} {
		if flag, _ := conns[name].ending(); flag != want {
			t.Errorf("the %s connection ends with flag %q, want %q", name, flag, want)
		}
	}
	if n := s.registry.Panics.Count(telemetry.L4); n != 1 {
		t.Errorf("%d panics were counted, want 1", n)
	}
}
