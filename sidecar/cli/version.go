package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func versionCommand(p *Process) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Tell what this binary was built from",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintln(p.Stdout, "gateway", sidecar.Built())
			return nil
		},
	}
}
