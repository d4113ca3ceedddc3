package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// On a terminal the marks have colours, unless they are not wanted.
func TestCheckOnATerminal(t *testing.T) {
	for _, row := range []struct {
		environ []string
		wants   string
	}{
		{nil, "  " + red + "✗" + plain + " env GATEWAY_LISTEN: "},
		{[]string{"NO_COLOR=1"}, "  ✗ env GATEWAY_LISTEN: "},
	} {
		ours, theirs := testserver.Terminal(t, 80, 24)
		var stderr bytes.Buffer
		code := Main(t.Context(), Process{
			Args: []string{"check"}, Environ: append(row.environ, "GATEWAY_LISTEN=80"), Stdout: theirs, Stderr: &stderr,
		})
		if code != 1 || stderr.Len() > 0 {
			t.Errorf("check: code %d, stderr %q; want code 1 and nothing", code, &stderr)
		}
		seen, buf := "", make([]byte, 4096)
		testserver.WaitFor(t, 20*time.Second, "the terminal to show the last line", func() bool {
			n, err := ours.Read(buf)
			seen += string(buf[:n])
			return err != nil || strings.Contains(seen, "1 problem")
		})
		if !strings.Contains(seen, row.wants) {
			t.Errorf("with %q the terminal shows no %q:\n%q", row.environ, row.wants, seen)
		}
	}
}
