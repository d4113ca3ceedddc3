package cli

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func TestStatusWaits(t *testing.T) {
	var asked atomic.Int32
	address := showing(t, sidecar.View{
		Ready: func() []string {
			if asked.Add(1) < 3 {
				return []string{"no revision serves yet"}
			}
			return nil
		},
		Status: func() sidecar.Status { return sidecar.Status{Service: "web"} },
	})
	got := do(t, Process{}, "status", "--wait", "1m", "--admin-listen", address)
	if got.code != 0 || !strings.HasPrefix(got.stdout, "ready\n") || asked.Load() != 3 {
		t.Errorf("status --wait: %+v after %d questions, want ready after 3", got, asked.Load())
	}
}

// It waits also for a gateway that is not there yet.
func TestStatusWaitsForTheStart(t *testing.T) {
	address := testserver.Addr(t)
	done := make(chan outcome, 1)
	go func() { done <- do(t, Process{}, "status", "--wait", "1m", "--admin-listen", address) }()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	a := sidecar.NewAdmin(sidecar.View{
		Ready: func() []string { return nil }, Status: func() sidecar.Status { return sidecar.Status{} },
	}, sidecar.AdminOptions{Listen: address})
	served := make(chan error, 1)
	go func() { served <- a.Serve(l) }()
	if got := <-done; got.code != 0 {
		t.Errorf("status --wait: %+v", got)
	}
	if err := errors.Join(a.Shutdown(t.Context()), <-served); err != nil {
		t.Error(err)
	}
}

// When the time is over, the last answer tells.
func TestStatusWaitsInVain(t *testing.T) {
	address := showing(t, sidecar.View{
		Ready:  func() []string { return []string{"no revision serves yet"} },
		Status: func() sidecar.Status { return sidecar.Status{Service: "web"} },
	})
	got := do(t, Process{}, "status", "--wait", "120ms", "--admin-listen", address)
	if got.code != 1 || !strings.HasPrefix(got.stdout, "not ready\n  no revision serves yet\n") {
		t.Errorf("status --wait: %+v", got)
	}
	nobody := testserver.Addr(t)
	got = do(t, Process{}, "status", "--wait", "120ms", "--admin-listen", nobody)
	if got.code != 1 || !strings.HasPrefix(got.stderr, "gateway: admin port "+nobody+": ") {
		t.Errorf("status --wait without a gateway: %+v", got)
	}
	got = do(t, Process{}, "status", "--wait", "-1s")
	if got.code != 2 || got.stderr != "gateway: --wait: want a time to wait, such as 10s (seen \"-1s\")\n" {
		t.Errorf("status --wait -1s: %+v", got)
	}
}
