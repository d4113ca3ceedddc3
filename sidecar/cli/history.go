package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

func historyCommand(p *Process) *cobra.Command {
	most, raw := 20, false
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the revisions that were pushed, the newest first",
		Long: `Lists the revisions in Consul: a mark (*) at the live one, the name, when it was
pushed, by whom, and the note. The last 20 are kept.`,
		Args: noArguments,
	}
	cmd.Flags().IntVarP(&most, "number", "n", most, "how many")
	cmd.Flags().BoolVar(&raw, "json", false, "print them as JSON")
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if most < 1 {
			return fmt.Errorf("flag --number: %d: want 1 or more", most)
		}
		return withStore(cmd, p, flags, oneKey, func(ctx context.Context, s *store) error {
			live, err := s.live(ctx)
			if err != nil {
				return err
			}
			all, err := s.history(ctx, live)
			if err != nil {
				return err
			}
			if all = all[:min(most, len(all))]; raw {
				err = printJSON(p.Stdout, all)
			} else {
				err = s.printHistory(p, all)
			}
			if err != nil {
				return bad("%v", err)
			}
			return nil
		})
	}
	return cmd
}

// notValid stands for the name of a document that has none.
const notValid = "(not valid)"

// pushed is a revision of the history.
type pushed struct {
	consul.Pointer
	Live bool `json:"live"`
}

// history is that of the store, with the live document where it was put by hand.
func (s *store) history(ctx context.Context, live liveDocument) ([]pushed, error) {
	list, err := s.revisions.History(ctx)
	if err != nil {
		return nil, bad("%v", err)
	}
	all := make([]pushed, 0, len(list)+1)
	if live.ByHand {
		if live.doc == nil {
			live.Pointer.Rev = notValid
		}
		all = append(all, pushed{live.Pointer, true})
	}
	for _, p := range list {
		all = append(all, pushed{p, !live.ByHand && p.Rev == live.Pointer.Rev})
	}
	return all, nil
}

func (s *store) printHistory(p *Process, all []pushed) error {
	if len(all) == 0 {
		_, err := fmt.Fprintf(p.Stdout, "nothing was pushed to %s yet\n", s.boot.ConsulKey)
		return err
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range all {
		at := ""
		if !r.At.IsZero() {
			at = date(r.At)
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\n", mark(r.Live), r.Rev, at, cut(r.By, 20), cut(r.Note, width))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(p.Stdout, cut(strings.TrimRight(line, " \n"), width))
	}
	return nil
}

// mark stands before the live revision.
func mark(live bool) string {
	if live {
		return "*"
	}
	return " "
}
