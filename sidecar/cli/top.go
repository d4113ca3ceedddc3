package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// Bounds of --every.
const (
	leastEvery = 100 * time.Millisecond
	mostEvery  = time.Minute
)

// topOptions is what the flags of top say.
type topOptions struct {
	once  bool
	sort  string
	show  string
	every time.Duration
}

func topCommand(p *Process) *cobra.Command {
	var o topOptions
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch a running gateway: what is wrong, traffic, clusters and endpoints, or routes",
		Long: `Asks the admin port of a gateway that runs with this environment again and
again, and shows what is wrong, the traffic of the last minute, and clusters
with their endpoints, or routes. Keys: s sorts by the next column, v shows the
other table, the arrows and the page keys move, q ends it. With --once it
prints all rows once, 80 columns wide. Where a window is too narrow, columns
are left out in this order: weight, requests in flight, p50, state (of routes:
where one leads), p99, rate.`,
		Example: "  gateway top\n  gateway top --once --show routes --sort p99",
		Args:    noArguments,
	}
	flags := bindAdminFlag(cmd)
	cmd.Flags().BoolVar(&o.once, "once", false, "print once and end: for scripts")
	cmd.Flags().StringVar(&o.sort, "sort", topSorts[0], "put first what has most of: "+strings.Join(topSorts, ", "))
	cmd.Flags().StringVar(&o.show, "show", topTables[0], strings.Join(topTables, " or "))
	cmd.Flags().DurationVar(&o.every, "every", time.Second, "time between two questions")
	for flag, words := range map[string][]string{"sort": topSorts, "show": topTables} {
		if err := cmd.RegisterFlagCompletionFunc(flag,
			cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		address, err := adminAddress(p, flags)
		if err != nil {
			return err
		}
		if err := o.check(); err != nil {
			return err
		}
		if o.once {
			return topOnce(cmd.Context(), p.Stdout, address, o)
		}
		return topLive(cmd.Context(), p, address, o)
	}
	return cmd
}

func (o *topOptions) check() error {
	for _, one := range []struct {
		flag, given string
		words       []string
	}{{"--sort", o.sort, topSorts}, {"--show", o.show, topTables}} {
		if !slices.Contains(one.words, one.given) {
			return fmt.Errorf("%s: want one of %s (seen %q)", one.flag, strings.Join(one.words, ", "), one.given)
		}
	}
	if o.every < leastEvery || o.every > mostEvery {
		return fmt.Errorf("--every: want a time from %s to %s (seen %q)", leastEvery, mostEvery, o.every)
	}
	return nil
}

// topOnce prints all there is, as wide as every terminal is.
func topOnce(ctx context.Context, w io.Writer, address string, o topOptions) error {
	_, s, err := status(ctx, address)
	if err != nil {
		return err
	}
	v := topView{sort: o.sort, table: o.show}
	for _, line := range v.lines(s, topWidth) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.text, " ")); err != nil {
			return ioError(err)
		}
	}
	return nil
}

// topLive shows it on a terminal until a key says that it is enough.
func topLive(ctx context.Context, p *Process, address string, o topOptions) error {
	in, inOK := p.Stdin.(*os.File)
	out, outOK := p.Stdout.(*os.File)
	if !inOK || !outOK || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		return errors.New("top needs a terminal (in scripts: gateway top --once)")
	}
	if p.Signals != nil {
		ctx, _ = p.Signals(ctx) // the terminal must not stay as it is now
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return bad("the terminal: %v", err)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	keys := make(chan topKey)
	go readKeys(ctx, in, keys) // its last read ends with the process
	s := screen{
		w: out, colour: p.coloured(),
		size: func() (width, height int) {
			width, height, err := term.GetSize(int(out.Fd()))
			if err != nil {
				return topWidth, topHeight
			}
			return width, height
		},
	}
	s.begin()
	err = watchTop(ctx, keys, o, &s, func(ctx context.Context) (*sidecar.Status, error) {
		_, st, err := status(ctx, address)
		return st, err
	})
	s.end()
	return cmp.Or(err, ioError(errors.Join(s.err, term.Restore(int(in.Fd()), before))))
}

// watchTop draws until a key or ctx ends it. A gateway that does not answer is waited for: it may be about to start.
func watchTop(ctx context.Context, keys <-chan topKey, o topOptions, s *screen,
	ask func(context.Context) (*sidecar.Status, error),
) error {
	v := topView{sort: o.sort, table: o.show}
	again := time.NewTicker(o.every)
	defer again.Stop()
	var last *sidecar.Status
	for {
		st, err := ask(ctx)
		if ctx.Err() != nil {
			return nil // while it asked
		}
		if err == nil {
			last = st
		}
		s.draw(&v, last, err)
		for drawn := false; !drawn; {
			select {
			case <-ctx.Done():
				return nil
			case <-again.C:
				drawn = true
			case k := <-keys:
				if k == keyQuit {
					return nil
				}
				_, height := s.size()
				v.press(k, height)
				s.draw(&v, last, err)
			}
		}
	}
}
