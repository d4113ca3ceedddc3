package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/docdiff"
)

// pushOptions are the flags of push and rollback.
type pushOptions struct {
	note       string
	dryRun     bool
	allowEmpty bool
	force      bool
	raw        bool
	wait       time.Duration
	probation  bool

	rollback bool // it is no flag: which verb it is
}

func (o *pushOptions) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.note, "note", "", "why, for the history")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "check and show the changes, write nothing")
	cmd.Flags().BoolVar(&o.allowEmpty, "allow-empty", false, "also when a service has no instance, or no route is left")
	cmd.Flags().BoolVar(&o.force, "force", false, "also when it is live already: ends its quarantine")
	cmd.Flags().DurationVar(&o.wait, "wait", 0, "wait until the gateways say what became of it, at most this long")
	cmd.Flags().BoolVar(&o.probation, "through-probation", false, "with --wait: also wait for the end of its probation")
	cmd.Flags().BoolVar(&o.raw, "json", false, "print the outcome as JSON")
}

// check refuses flags that make no sense.
func (o *pushOptions) check() error {
	if o.wait < 0 {
		return fmt.Errorf("--wait: want a time to wait, such as 30s (seen %q)", o.wait.String())
	}
	if o.probation && o.wait == 0 {
		return errors.New("--through-probation: say also how long to wait, such as --wait 1m")
	}
	return nil
}

func pushCommand(p *Process) *cobra.Command {
	var o pushOptions
	cmd := &cobra.Command{
		Use:   "push FILE...",
		Short: "Make a document live in Consul (- is stdin)",
		Long: `Checks a document as a gateway with these flags and this environment would,
looks its services up in the catalog, shows what it changes, and makes it live
in Consul. The document before stays in the history (gateway history, gateway
rollback). Several files are one document, in the order of their names. Exits 1
if it is refused: it has problems, a service has no instance, no route is left
of those that are live, or somebody else changed the live document meanwhile.
With --wait it tells what becomes of the document: 0 means that all gateways
which acknowledge serve it, 1 that one does not take it, and 3 that the time was
over before all had said something, or before there was one that did. Their
probation goes on after that: --through-probation waits for its end too.`,
		Example: "  gateway push routes.yaml --service web --note 'send 5 % to v2'",
		Args:    filesOrStdin,
	}
	o.bind(cmd)
	flags := bindFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := o.check(); err != nil {
			return err
		}
		return withStore(cmd, p, flags, oneKey, func(ctx context.Context, s *store) error {
			files, err := readParts(args, p.Stdin)
			if err != nil {
				return err
			}
			slices.SortFunc(files, func(a, b config.Part) int { return strings.Compare(a.Name, b.Name) })
			doc, err := s.decode(files)
			if err != nil {
				return s.invalid(p, args, err, o)
			}
			return s.push(ctx, p, revision{files: files, doc: doc}, o)
		})
	}
	return cmd
}

// pushOutcome is what push and rollback tell.
type pushOutcome struct {
	Key      string `json:"key"`
	Revision string `json:"revision,omitempty"`
	Parent   string `json:"parent,omitempty"` // what a rollback leads to
	Pushed   bool   `json:"pushed"`
	difference
	Problems []string `json:"problems,omitempty"` // of the document
	Empty    []string `json:"empty,omitempty"`    // clusters without an instance in the catalog
	Notes    []string `json:"notes,omitempty"`    // what could not be looked up or compared
	Theirs   *theirs  `json:"theirs,omitempty"`
	Waited   *tally   `json:"waited,omitempty"` // what the gateways say of it

	said string // the last line
}

// theirs is what somebody else made live between our look and our write.
type theirs struct {
	Revision string `json:"revision,omitempty"`
	By       string `json:"by"`
	Note     string `json:"note,omitempty"`
	difference
}

// invalid tells what is wrong with a document that is to be pushed.
func (s *store) invalid(p *Process, names []string, err error, o pushOptions) error {
	if !o.raw {
		return problems(p.Stdout, names, err)
	}
	var told bytes.Buffer
	answer := problems(&told, names, err)
	found := strings.Split(strings.TrimSpace(told.String()), "\n")
	out := pushOutcome{Key: s.boot.ConsulKey, difference: noDifference, Problems: found}
	if err := printJSON(p.Stdout, out); err != nil {
		return bad("%v", err)
	}
	return answer
}

// push makes a revision live, or says why not.
func (s *store) push(ctx context.Context, p *Process, next revision, o pushOptions) error {
	before, err := s.live(ctx)
	if err != nil {
		return err
	}
	out := pushOutcome{Key: s.boot.ConsulKey, Revision: next.doc.Revision, Parent: before.parentOf(next.doc.Revision)}
	if out.Empty, out.Notes, err = s.empty(ctx, next.doc); err != nil {
		return err
	}
	if before.Index != 0 && before.doc == nil {
		out.Notes = append(out.Notes, before.why.Error()+": compared with nothing")
	}
	out.difference = newDifference(before.doc, next.doc, out.Empty)
	answer := out.refusal(before.doc, next.doc, o.allowEmpty)
	if o.allowEmpty {
		for _, c := range out.unexpected(next.doc) {
			out.Notes = append(out.Notes, fmt.Sprintf(
				"cluster %s: gateways may hold this until service %s has an instance; "+
					"allow_empty: true at the cluster has them serve it at once", c.Name, c.Consul.Service))
		}
	}
	switch {
	case answer != nil:
	case before.doc != nil && slices.EqualFunc(before.Document, next.files, samePart) && !o.force:
		out.said = out.Revision + " is live already"
	case o.dryRun:
		out.said = out.Revision + " was not pushed: --dry-run"
	default:
		if answer, err = s.write(ctx, p, next, before, &out, o); err != nil {
			return err
		}
	}
	wait := func() {
		since := before.Index
		if out.Pushed {
			since = 0
		}
		out.Waited, answer = s.await(ctx, p, out.Revision, since, o)
	}
	waits := o.wait > 0 && (out.Pushed || answer == nil && !o.dryRun)
	if waits && o.raw {
		wait()
	}
	if err := out.print(p, o); err != nil {
		return bad("%v", err)
	}
	if waits && !o.raw {
		wait()
	}
	return answer
}

func samePart(a, b config.Part) bool { return a.Name == b.Name && bytes.Equal(a.Data, b.Data) }

// refusal is that a cluster would have no endpoint, or that nothing would be left to serve, against the author's will.
func (o *pushOutcome) refusal(before, next *config.Document, allow bool) error {
	if allow {
		return nil
	}
	var all []string
	instead := "write --allow-empty if it is meant so"
	if gone := docdiff.Emptied(before, next); gone != "" {
		all = append(all, gone)
	}
	for _, c := range o.unexpected(next) {
		all = append(all, fmt.Sprintf("cluster %s: service %s has no instance", c.Name, c.Consul.Service))
		instead = "register it first, or write --allow-empty"
	}
	if all == nil {
		return nil
	}
	return bad("%s\nnothing was pushed: %s", strings.Join(all, "\n"), instead)
}

// unexpected are the clusters without an instance of which the document does not say that they may have none.
func (o *pushOutcome) unexpected(next *config.Document) (all []*config.Cluster) {
	for i := range next.Clusters {
		if c := &next.Clusters[i]; slices.Contains(o.Empty, c.Name) && !c.AllowEmpty {
			all = append(all, c)
		}
	}
	return all
}

// write puts the revision in the place of before, which goes into the history. The answer is that somebody else was
// faster.
func (s *store) write(
	ctx context.Context, p *Process, next revision, before liveDocument, out *pushOutcome, o pushOptions,
) (answer, err error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if before.ByHand && before.doc != nil {
		byHand := consul.Pointer{Rev: before.doc.Revision, By: consul.PutByHand, At: now}
		if err := s.revisions.Archive(ctx, before.Document, byHand); err != nil {
			return nil, bad("%v", err)
		}
	}
	pointer, err := s.revisions.Push(ctx, next.files, consul.Pointer{
		Rev: out.Revision, By: s.author(p), At: now, Note: o.note, Parent: out.Parent, Forced: o.force,
		Rollback: o.rollback,
	}, before.Live)
	if errors.Is(err, consul.ErrConflict) {
		return s.conflict(ctx, before.doc, out)
	}
	if err != nil {
		return nil, bad("%v", err)
	}
	out.Pushed = true
	out.said = fmt.Sprintf("pushed %s to %s", out.Revision, out.Key)
	if out.Parent != "" {
		out.said += fmt.Sprintf(" (before: %s)", out.Parent)
	}
	if _, err := s.revisions.Prune(ctx, pointer); err != nil {
		fmt.Fprintf(p.Stderr, "gateway: the history keeps more than it should: %v\n", err)
	}
	return nil, nil
}

// conflict notes what somebody else made live meanwhile.
func (s *store) conflict(ctx context.Context, before *config.Document, out *pushOutcome) (answer, err error) {
	live, err := s.live(ctx)
	if err != nil {
		return nil, err
	}
	their := live.Pointer
	out.Theirs = &theirs{Revision: their.Rev, By: their.By, Note: their.Note, difference: noDifference}
	if live.doc != nil {
		out.Theirs.difference = newDifference(before, live.doc, nil)
	} else {
		out.Notes = append(out.Notes, live.why.Error())
	}
	return bad("%v\nnothing was pushed: look at it, and push again to put yours in its place", consul.ErrConflict), nil
}

func (o *pushOutcome) print(p *Process, flags pushOptions) error {
	if flags.raw {
		return printJSON(p.Stdout, o)
	}
	if o.Theirs != nil {
		line := "theirs: " + o.Theirs.Revision + " by " + o.Theirs.By
		if o.Theirs.Note != "" {
			line += ", " + o.Theirs.Note
		}
		fmt.Fprintln(p.Stdout, cut(line, width))
		if err := o.Theirs.print(p); err != nil {
			return err
		}
		fmt.Fprintln(p.Stdout, "yours: "+o.Revision)
	}
	if err := o.difference.print(p); err != nil {
		return err
	}
	for _, line := range append(o.Notes, o.said) {
		if line != "" {
			fmt.Fprintln(p.Stdout, wrap(line))
		}
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(text, '\n'))
	return err
}

// noDifference is that of documents that mean the same.
var noDifference = difference{[]docdiff.Change{}, []string{}}

// difference is what one document changes of another, and what that means.
type difference struct {
	Changes []docdiff.Change `json:"changes"`
	Means   []string         `json:"means"`
}

func newDifference(before, next *config.Document, empty []string) difference {
	changes := docdiff.Compare(before, next)
	means := docdiff.Meaning(changes, next, empty)
	return difference{append([]docdiff.Change{}, changes...), append([]string{}, means...)} // lists in JSON, never null
}
