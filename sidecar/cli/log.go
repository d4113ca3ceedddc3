package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func logCommand(p *Process) *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{
		Use:   "log LEVEL",
		Short: "Change the level of a running gateway's own log",
		Long: `Asks the admin port of a gateway that runs with this environment to log at
another level, for a while or until it ends. Nothing else changes, and nothing
is interrupted.`,
		Example: `  gateway log debug --for 5m`,
		Args: func(_ *cobra.Command, args []string) error {
			if levels := telemetry.LogLevels(); len(args) != 1 || !slices.Contains(levels, args[0]) {
				return fmt.Errorf("log takes a level, one of %s (seen %q)", strings.Join(levels, ", "),
					strings.Join(args, " "))
			}
			return nil
		},
		ValidArgsFunction: cobra.FixedCompletions(telemetry.LogLevels(), cobra.ShellCompDirectiveNoFileComp),
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().DurationVar(&d, "for", 0, "how long; then the level of GATEWAY_LOG_LEVEL holds again (default: "+
		"until the end)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		question := url.Values{"level": {args[0]}}
		if cmd.Flags().Changed("for") {
			if _, err := sidecar.ParseLogTime(d.String()); err != nil {
				return fmt.Errorf("--for: %w", err)
			}
			question.Set("for", d.String())
		}
		text, err := ask(cmd.Context(), http.MethodPost, address, "/log?"+question.Encode())
		if err != nil {
			return err
		}
		_, err = p.Stdout.Write(text)
		return ioError(err)
	}
	return cmd
}
