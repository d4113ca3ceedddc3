package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func diffCommand(p *Process) *cobra.Command {
	raw := false
	cmd := &cobra.Command{
		Use:   "diff [A] [B]",
		Short: "Tell what B changes of A: revisions of the history, or files",
		Long: `Compares two documents by their meaning. Each is a revision of the history,
"live", or a file. With one, it is compared with the live document, whose place
it would take. With none, the live document is compared with the one before it.`,
		Example: "  gateway diff routes.yaml --service web\n  gateway diff 233359bf6ddf live --service web",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return fmt.Errorf("diff takes two documents at most (seen %d)", len(args))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&raw, "json", false, "print the changes as JSON")
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(cmd, p, flags, oneKey, func(ctx context.Context, s *store) error {
			from, to, err := s.pair(ctx, p, args)
			if err != nil {
				return err
			}
			d := newDifference(from.doc, to.doc, nil)
			if raw {
				err = printJSON(p.Stdout, d)
			} else {
				err = d.print(p)
			}
			if err != nil {
				return bad("%v", err)
			}
			return nil
		})
	}
	return cmd
}

// pair is what is to be compared.
func (s *store) pair(ctx context.Context, p *Process, args []string) (from, to revision, err error) {
	names := args
	switch len(args) {
	case 0:
		live, err := s.live(ctx)
		if err != nil {
			return from, to, err
		}
		before, err := live.before(nil)
		if err != nil {
			return from, to, err
		}
		names = []string{before, "live"}
	case 1:
		names = []string{"live", args[0]}
	}
	if to, err = s.findOrRead(ctx, p, names[1]); err != nil { // it is the one that was named, if only one was
		return from, to, err
	}
	from, err = s.findOrRead(ctx, p, names[0])
	return from, to, err
}
