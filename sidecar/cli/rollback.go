package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
)

func rollbackCommand(p *Process) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "rollback [REVISION]",
		Short: "Make an earlier revision live again; by default the one before",
		Long: `Makes a revision of the history live again, as push does: it is checked, its
services are looked up, and what it changes is shown. A second rollback
undoes the first. --wait is that of push.`,
		Example: "  gateway rollback --service web\n" +
			"  gateway rollback 233359bf6ddf --service web --note 'v2 was too slow'",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("rollback takes one revision (seen %d)", len(args))
			}
			return nil
		},
	}
	o.bind(cmd)
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		return withStore(cmd, p, flags, oneKey, func(ctx context.Context, s *store) error {
			live, err := s.live(ctx)
			if err != nil {
				return err
			}
			name, err := live.before(args)
			if err != nil {
				return err
			}
			to, err := s.find(ctx, name)
			if err != nil {
				return err
			}
			if o.note == "" {
				o.note = noteOf(to.note)
			}
			o.rollback = true
			return s.push(ctx, p, to, o)
		})
	}
	return cmd
}

// noteOf is the note of a rollback that has none, made of the one that the revision had before.
func noteOf(before string) string {
	const rollback = "rollback"
	if before == "" || strings.HasPrefix(before, rollback) {
		return cmp.Or(before, rollback)
	}
	return rollback + ": " + before
}

// before is the revision that is named, or else the one before the live document.
func (l *liveDocument) before(named []string) (string, error) {
	switch {
	case len(named) > 0:
		return named[0], nil
	case l.Index == 0:
		return "", bad("%v", l.why)
	case l.ByHand:
		return "", bad("the live document was %s: say which revision (gateway history lists them)", consul.PutByHand)
	case l.Pointer.Parent == "":
		return "", bad("no revision is known to be before the live one (gateway history lists them)")
	}
	return l.Pointer.Parent, nil
}
