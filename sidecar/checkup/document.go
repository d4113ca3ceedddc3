package checkup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

// own is the revision of the bootstrap alone.
func (c *checkup) own() *config.Document { return config.FromBootstrap(c.Bootstrap.Base()) }

// document tells of the document that is there now.
func (c *checkup) document(ctx context.Context) {
	b := &c.Bootstrap
	from := "the environment"
	switch b.Source {
	case sidecar.SourceFile:
		from = "file " + b.Config
	case sidecar.SourceConsul:
		from = "key " + b.ConsulKey
		if !c.reached {
			c.skipped("%s: not read, Consul does not answer", from)
			return
		}
		c.doc = c.read(ctx)
	case sidecar.SourceAuto, sidecar.SourceEnv:
	}
	if c.wrongDocument != nil {
		c.sections[len(c.sections)-1].Findings = c.wrongDocument
		return
	}
	c.good("%s: revision %s, %s, %s, %s", from, c.doc.Revision, sidecar.Count(len(c.doc.Listeners), "listener"),
		sidecar.Count(len(c.doc.Routes), "route"), sidecar.Count(len(c.doc.Clusters), "cluster"))
}

// fewProblems is how many of a document are told.
const fewProblems = 10

// read reads the document of a file or key, and notes what is wrong with it. Where there is none that can serve, it
// gives the one that the gateway has then: the bootstrap's own.
func (c *checkup) read(ctx context.Context) *config.Document {
	b := &c.Bootstrap
	var d discovery.Document
	var err error
	name, write := "file "+b.Config, "write it, or set GATEWAY_CONFIG to another path"
	validate := "mend it: gateway validate " + b.Config + " finds the same"
	if b.Source == sidecar.SourceConsul {
		name, write = "key "+b.ConsulKey, fmt.Sprintf("gateway push FILE --service %s", b.Service)
		validate = "mend it: gateway validate FILE finds the same, and gateway push puts it there"
		d, err = c.Consul.ReadDocument(ctx, b.ConsulKey)
	} else if path, absErr := filepath.Abs(b.Config); absErr == nil {
		d = discovery.ReadDocument(path)
	}
	problem := func(state State, do, format string, values ...any) {
		c.wrongDocument = append(c.wrongDocument, Finding{state, fmt.Sprintf(format, values...), do})
	}
	switch own := c.own(); {
	case consul.Denied(err):
		problem(Wrong, "the section token tells what to do", "%v", err)
	case err != nil:
		problem(Wrong, "Consul's own log tells more: consul monitor", "%v", err)
	case d.Negative && serves(own):
		problem(Notice, write, "%s: there is none yet, the environment serves alone", name)
	case d.Negative:
		problem(Wrong, write, "%s: there is none", name)
	case d.Refused != nil && b.Source == sidecar.SourceFile:
		problem(Wrong, "make it a file that the gateway may read, or set GATEWAY_CONFIG to another path", "%v",
			d.Refused)
	case d.Refused != nil:
		problem(Wrong, write, "%v", d.Refused)
	default:
		doc, err := config.DecodeParts(d.Parts, b.Base())
		if err == nil {
			return doc
		}
		all := problems(err)
		for i, text := range all {
			if i == fewProblems {
				problem(Wrong, validate, "and %d more", len(all)-i)
				break
			}
			problem(Wrong, validate, "%s: %s", name, text)
		}
	}
	return c.own()
}

// unread tells whether there may be a document that says more than what is known.
func (c *checkup) unread() bool {
	return c.Bootstrap.Source == sidecar.SourceConsul && !c.reached || len(c.wrongDocument) > 0
}

// serves tells whether a document has anything to do.
func serves(doc *config.Document) bool {
	for i := range doc.Listeners {
		if doc.Listeners[i].L4() {
			return true
		}
	}
	return len(doc.Routes) > 0
}

// problems are the single ones of a document.
func problems(err error) (all []string) {
	if list, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range list {
			all = append(all, p.String())
		}
		return all
	}
	return []string{err.Error()}
}
