package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// store is the way of a verb to the revisions in Consul.
type store struct {
	boot      sidecar.Bootstrap
	consul    *consul.Client
	revisions *consul.Revisions // nil: the key is a folder
	verdicts  *consul.Verdicts
}

// keys are the keys of which a verb can speak.
type keys bool

const (
	oneKey keys = false // only one that is no folder
	anyKey keys = true
)

// withStore does something with the revisions in Consul, and leaves nothing open. Each request has its own deadline in
// the client. All of them together have none, since it would count how long a large document takes to be checked.
func withStore(
	cmd *cobra.Command, p *Process, flags map[string]string, of keys, do func(context.Context, *store) error,
) error {
	s, err := openStore(p, flags, of)
	if err != nil {
		return err
	}
	defer s.consul.Close()
	return do(cmd.Context(), s)
}

// openStore reads the environment as a gateway would that takes its document from Consul.
func openStore(p *Process, flags map[string]string, of keys) (*store, error) {
	b, err := sidecar.Load(sidecar.Sources{
		Flags: flags, Environ: p.Environ, Defaults: map[string]string{"GATEWAY_SOURCE": string(sidecar.SourceConsul)},
	})
	if err != nil {
		return nil, err
	}
	client, err := p.newConsul()
	if err != nil {
		return nil, err
	}
	s := &store{boot: b, consul: client}
	s.verdicts, err = client.Verdicts(b.ConsulKey)
	if err == nil && (of == oneKey || !strings.HasSuffix(b.ConsulKey, "/")) {
		s.revisions, err = client.Revisions(b.ConsulKey)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// newConsul makes the way to the Consul of the environment. It connects to nothing yet.
func (p *Process) newConsul() (*consul.Client, error) {
	return consul.New(consul.Options{
		Version: sidecar.Built().Version, Address: p.variable("CONSUL_HTTP_ADDR"),
		Token: p.variable("CONSUL_HTTP_TOKEN"), TokenFile: p.variable("CONSUL_HTTP_TOKEN_FILE"),
	})
}

// variable is one of the environment.
func (p *Process) variable(name string) string {
	for _, e := range p.Environ {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}

// author is who calls the verb, as far as the environment tells.
func (s *store) author(p *Process) string {
	for _, name := range []string{"USER", "LOGNAME"} {
		if user := p.variable(name); user != "" {
			return user + "@" + s.boot.Instance
		}
	}
	return s.boot.Instance
}

func (s *store) decode(files []config.Part) (*config.Document, error) {
	return config.DecodeParts(files, s.boot.Base())
}

// revision is a document of which the verbs speak.
type revision struct {
	files []config.Part // a single one without a name, or several in the order of their names
	doc   *config.Document
	note  string // that it has in the history
}

// liveDocument is the live document with what it means.
type liveDocument struct {
	consul.Live
	doc *config.Document // nil = there is no valid one
	why error            // of that
}

// parentOf is what a rollback from a revision leads to that takes the place of the live one.
func (l *liveDocument) parentOf(rev string) string {
	if l.Pointer.Rev == rev {
		return l.Pointer.Parent
	}
	return l.Pointer.Rev
}

// live reads the live document. That there is none, or none that is valid, is no error.
func (s *store) live(ctx context.Context) (liveDocument, error) {
	read, err := s.revisions.Live(ctx)
	if err != nil {
		return liveDocument{}, bad("%v", err)
	}
	l := liveDocument{Live: read}
	switch {
	case l.Index == 0:
		l.why = fmt.Errorf("nothing is live: there is no key %s", s.boot.ConsulKey)
	case l.Unusable != nil:
		l.why = fmt.Errorf("the live document cannot be read: %w", l.Unusable)
	default:
		if l.doc, err = s.decode(l.Document); err != nil {
			l.why = fmt.Errorf("the live document is not valid: %w", firstProblem(err))
		}
	}
	if l.ByHand && l.doc != nil {
		l.Pointer.Rev = l.doc.Revision
	}
	return l, nil
}

// firstProblem is the first of several.
func firstProblem(err error) error {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(first)
}

// find reads a revision of the history, or the live one, by its name or the beginning of it.
func (s *store) find(ctx context.Context, name string) (revision, error) {
	live, err := s.live(ctx)
	if err != nil {
		return revision{}, err
	}
	if name == "live" {
		if live.doc == nil {
			return revision{}, bad("%v", live.why)
		}
		return revision{live.Document, live.doc, live.Pointer.Note}, nil
	}
	all, err := s.history(ctx, live)
	if err != nil {
		return revision{}, err
	}
	fits := func(p pushed) bool { return strings.HasPrefix(p.Rev, name) }
	i := slices.IndexFunc(all, fits)
	if name == "" || i < 0 {
		return revision{}, bad("there is no revision %q (gateway history lists them)", name)
	}
	found := all[i]
	another := func(p pushed) bool { return fits(p) && p.Rev != found.Rev }
	if found.Rev != name && slices.ContainsFunc(all[i+1:], another) {
		return revision{}, bad("revision %q: several begin with this, write more of it", name)
	}
	files := live.Document
	if !found.Live {
		if files, err = s.revisions.Document(ctx, found.Pointer); err != nil {
			return revision{}, bad("%v", err)
		}
	}
	doc, err := s.decode(files)
	if err != nil {
		return revision{}, bad("revision %s is not valid here: %v", found.Rev, firstProblem(err))
	}
	return revision{files, doc, found.Note}, nil
}

// findOrRead reads a file, or what find does where there is no such file.
func (s *store) findOrRead(ctx context.Context, p *Process, name string) (revision, error) {
	if info, err := os.Stat(name); name != "-" && (err != nil || info.IsDir()) {
		found, err := s.find(ctx, name)
		if err != nil && strings.ContainsAny(name, "./") {
			err = bad("%s: no such file", name)
		}
		return found, err
	}
	text, err := readDocument(name, p.Stdin)
	if err != nil {
		return revision{}, err
	}
	files := []config.Part{{Data: text}}
	doc, err := s.decode(files)
	if err != nil {
		return revision{}, problems(p.Stdout, []string{name}, err)
	}
	return revision{files: files, doc: doc}, nil
}

// empty looks up the services of a document. It returns the clusters without an instance, and what could not be looked
// up.
func (s *store) empty(ctx context.Context, doc *config.Document) (empty, unknown []string, err error) {
	for i := range doc.Clusters {
		c := &doc.Clusters[i]
		if c.Consul.Service == "" || len(c.Endpoints) > 0 {
			continue
		}
		n, _, err := s.consul.Registered(ctx, consul.QueryOf(c.Consul))
		switch {
		case consul.Denied(err):
			unknown = append(unknown, fmt.Sprintf("cluster %s: not looked up, the token may not read service %s",
				c.Name, c.Consul.Service))
		case err != nil:
			return nil, nil, bad("service %s: %v", c.Consul.Service, err)
		case n == 0:
			empty = append(empty, c.Name)
		}
	}
	return empty, unknown, nil
}
