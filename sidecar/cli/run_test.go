package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
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

// A start that the next one may do better ends with 1: code 2 tells systemd to stay away.
func TestRunTellsWhyItDoesNotStart(t *testing.T) {
	for why, code := range map[error]int{
		fs.ErrPermission: 2, namedfile.ErrNotRegular: 2, fs.ErrNotExist: 1, namedfile.ErrNoReader: 1,
	} {
		p := Process{Start: func(sidecar.Bootstrap, sidecar.Options) (Sidecar, error) {
			return nil, fmt.Errorf("GATEWAY_ACCESS_LOG: open access.log: %w", why)
		}}
		want := "gateway: GATEWAY_ACCESS_LOG: open access.log: " + why.Error() + "\n"
		if got := do(t, p); got.code != code || got.stderr != want {
			t.Errorf("run: %+v, want code %d and %q", got, code, want)
		}
	}
}
