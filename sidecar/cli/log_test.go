package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func TestLogVerb(t *testing.T) {
	var asked string
	address := showing(t, sidecar.View{LogLevel: func(level string, d time.Duration) string {
		asked = level + " " + d.String()
		return "log level it is"
	}})
	for args, want := range map[string]string{"log debug --for 5m": "debug 5m0s", "log off": "off 0s"} {
		got := do(t, Process{}, append(strings.Fields(args), "--admin-listen", address)...)
		if got.code != 0 || got.stdout != "log level it is\n" || asked != want {
			t.Errorf("%s: %+v, asked for %q, want %q", args, got, asked, want)
		}
	}
	asked = ""
	for _, d := range []string{"0", "-5m", "25h"} { // no gateway is asked
		got := do(t, Process{}, "log", "debug", "--for", d, "--admin-listen", address)
		if got.code != 2 || asked != "" || !strings.Contains(got.stderr, "--for: want a duration above 0") {
			t.Errorf("--for %s: %+v, asked for %q", d, got, asked)
		}
	}
	got := do(t, Process{}, "log", "loud", "--admin-listen", address)
	if got.code != 2 || !strings.Contains(got.stderr, `(seen "loud")`) {
		t.Errorf("log loud: %+v", got)
	}
}
