package cli

import (
	"context"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func statusCommand(p *Process) *cobra.Command {
	raw := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Ask a running gateway how it is; exits 0 when it is ready",
		Long: `Asks the admin port of a gateway that runs with this environment. Exits 0 when it
is ready and 1 when it is not, or does not answer: it is the probe for containers.`,
		Args: noArguments,
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print what /status answers")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		return status(cmd.Context(), p.Stdout, address, raw)
	}
	return cmd
}

func status(ctx context.Context, w io.Writer, address string, raw bool) error {
	text, err := ask(ctx, address, "/status")
	if err != nil {
		return err
	}
	var s sidecar.Status
	if err := json.Unmarshal(text, &s); err != nil {
		return bad("admin port %s: the answer is not a status: %v", address, err)
	}
	if raw {
		_, err = w.Write(text)
	} else {
		err = summary(w, &s)
	}
	if err != nil {
		return ioError(err)
	}
	if !s.Ready {
		return bad("") // the answer says so
	}
	return nil
}
