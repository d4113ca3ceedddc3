package discovery

import (
	"context"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// environment is the source of a gateway that is told everything at its start.
type environment struct {
	document Document
	again    chan struct{} // one token: deliver once more
}

// NewEnv is the source that delivers once. Without parts its document is empty,
// and the revision is what the bootstrap adds to each.
func NewEnv(parts ...config.Part) Source {
	return &environment{
		document: Document{Source: "env", Parts: parts, Hash: hashOf(parts)},
		again:    make(chan struct{}, 1),
	}
}

func (e *environment) Run(ctx context.Context, out chan<- Document) {
	for {
		Send(ctx, out, e.document)
		select {
		case <-e.again:
		case <-ctx.Done():
			return
		}
	}
}

func (e *environment) Reload() { Signal(e.again) }

func (e *environment) Status() Status { return Status{Name: "environment"} }
