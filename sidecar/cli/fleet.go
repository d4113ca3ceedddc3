package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

func fleetCommand(p *Process) *cobra.Command {
	raw := false
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "List the gateways of a service, with what each says of the document",
		Long: `Lists the gateways that follow the document, as they tell it in Consul: the
revision that each saw last, a mark (*) if it is the live one, what became of
it, since when, and the version of the gateway. Below are the reasons.`,
		Example: "  gateway fleet --service web",
		Args:    noArguments,
	}
	cmd.Flags().BoolVar(&raw, "json", false, "print them as JSON")
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withStore(cmd, p, flags, anyKey, func(ctx context.Context, s *store) error {
			all, err := s.verdicts.All(ctx)
			if err != nil {
				return bad("%v", err)
			}
			live, index := "", uint64(0)
			if s.revisions != nil {
				if live, index, err = s.liveName(ctx); err != nil {
					return err
				}
			}
			return ioError(printFleet(p, newTally(all, live, index), live, raw))
		})
	}
	return cmd
}

// liveName is the name of the live revision, with the index of its write; empty = there is none.
func (s *store) liveName(ctx context.Context) (string, uint64, error) {
	live, err := s.live(ctx)
	return live.Pointer.Rev, live.Index, err
}

// fleetMember is a gateway in JSON.
type fleetMember struct {
	consul.Said
	Live bool `json:"live"` // its revision is the live one
}

func printFleet(p *Process, t tally, live string, raw bool) error {
	if raw {
		all := make([]fleetMember, len(t.Gateways))
		for i, g := range t.Gateways {
			all[i] = fleetMember{g.Said, live != "" && g.Rev == live}
		}
		return printJSON(p.Stdout, all)
	}
	switch {
	case len(t.Gateways) == 0:
		fmt.Fprintln(p.Stdout, "no gateway tells what becomes of the document (GATEWAY_ACK)")
	case live != "":
		fmt.Fprintln(p.Stdout, wrap("live "+live+" (*): "+t.String()))
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, g := range t.Gateways {
		rev := g.Rev
		if rev == "" {
			rev = "(none)"
		}
		fmt.Fprintf(w, "%s\t%s %s\t%s\t%s\t%s\n", cut(g.Instance, width/3), mark(live != "" && g.Rev == live),
			cut(rev, 12), cut(string(g.State), 12), date(g.Since), cut(g.Version, width))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	lines := strings.Split(b.String(), "\n")
	for i, g := range t.Gateways {
		fmt.Fprintln(p.Stdout, cut(strings.TrimRight(lines[i], " "), width))
		for _, reason := range g.Reasons {
			fmt.Fprintln(p.Stdout, wrapAt(reason, "    "))
		}
		if !g.Until.IsZero() {
			fmt.Fprintln(p.Stdout, "    until "+date(g.Until))
		}
	}
	return nil
}
