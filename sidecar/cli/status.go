package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func statusCommand(p *Process) *cobra.Command {
	raw, wait := false, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of a running gateway; exits 0 when it is ready",
		Long: `Asks the admin port of a gateway that runs with this environment. Exits 0 when
it is ready and 1 when it is not, or does not answer: it is the probe for
containers. With --wait it asks again until the gateway is ready, or the time
is over.`,
		Example: `  gateway status --wait 10s`,
		Args:    noArguments,
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print what /status answers")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait until it is ready, at most this long")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		if wait < 0 {
			return fmt.Errorf("--wait: want a time to wait, such as 10s (seen %q)", wait.String())
		}
		text, s, err := awaitReady(cmd.Context(), address, wait)
		if err != nil {
			return err
		}
		return showStatus(p.Stdout, text, s, raw)
	}
	return cmd
}

// askAgain is how long a verb that waits lets pass between two questions.
const askAgain = 50 * time.Millisecond

// awaitReady asks for the status until the gateway is ready, at most for wait; with 0 it asks once. What it returns is
// the last response.
func awaitReady(ctx context.Context, address string, wait time.Duration) (text []byte, s *sidecar.Status, err error) {
	until := time.Now().Add(wait)
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		text, s, err = status(ctx, address)
		if err == nil && s.Ready || !time.Now().Before(until) {
			return text, s, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return text, s, err
		}
	}
}

func status(ctx context.Context, address string) (text []byte, s *sidecar.Status, err error) {
	if text, err = ask(ctx, http.MethodGet, address, "/status"); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, nil, bad("admin port %s: the response is not a status: %v", address, err)
	}
	return text, s, nil
}

func showStatus(w io.Writer, text []byte, s *sidecar.Status, raw bool) (err error) {
	if raw {
		_, err = w.Write(text)
	} else {
		err = summary(w, s)
	}
	if err != nil {
		return ioError(err)
	}
	if !s.Ready {
		return bad("") // the response says so
	}
	return nil
}
