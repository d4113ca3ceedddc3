package cli

import (
	"errors"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func TestRunServesUntilToldToStop(t *testing.T) {
	f := &fake{}
	p, stop, hup := f.process("GATEWAY_LISTEN=:1", "GATEWAY_SERVICE=web")
	f.running = func() {
		hup <- syscall.SIGHUP
		<-f.reloads // a reload while it runs
		stop()
	}
	got := do(t, p, "--listen", ":2")
	if got != (outcome{}) {
		t.Errorf("run: %+v, want code 0 and nothing said", got)
	}
	if f.boot.Listen != ":2" || f.boot.Service != "web" {
		t.Errorf("listen %q, service %q; want the flag's :2 and the environment's web", f.boot.Listen, f.boot.Service)
	}
}

func TestRunTellsWhyItEnded(t *testing.T) {
	f := &fake{result: errors.New("listen :80: permission denied")}
	p, stop, _ := f.process()
	f.running = stop
	if got := do(t, p); got.code != 1 || got.stderr != "gateway: listen :80: permission denied\n" {
		t.Errorf("run: %+v, want code 1 and the reason", got)
	}
}

func TestRunTellsWhyItDoesNotStart(t *testing.T) {
	p := Process{Start: func(sidecar.Bootstrap, sidecar.Options) (Sidecar, error) {
		return nil, errors.New("GATEWAY_ACCESS_LOG: open access.log: permission denied")
	}}
	if got := do(t, p); got.code != 2 ||
		got.stderr != "gateway: GATEWAY_ACCESS_LOG: open access.log: permission denied\n" {
		t.Errorf("run: %+v, want code 2 and the reason", got)
	}
}
