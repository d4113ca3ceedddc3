package cli

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func envCommand(p *Process) *cobra.Command {
	return &cobra.Command{
		Use:   "env",
		Short: "List every environment variable with its flag, default and meaning",
		Args:  noArguments,
		RunE:  func(*cobra.Command, []string) error { return envTable(p.Stdout) },
	}
}

func envTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VARIABLE\tFLAG\tDEFAULT\tMEANING")
	for _, v := range sidecar.Variables() {
		fmt.Fprintf(table, "%s\t--%s\t%s\t%s\n", v.Name, v.Flag, v.Shown, v.Help)
	}
	if err := table.Flush(); err != nil {
		return bad("%v", err)
	}
	return nil
}
