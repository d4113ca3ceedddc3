package sidecar

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const (
	// bootstrapAfter is how long after the start the bootstrap's own revision is put into service if the source has delivered nothing: a
	// Consul that hangs holds nobody up.
	bootstrapAfter = 1500 * time.Millisecond
	// firstServes is how long after the start the first revision serves at the latest; 2 s are promised.
	firstServes = 1800 * time.Millisecond
)

// patience is until when a revision waits for its endpoints: the first one has little time.
func (s *Sidecar) patience(active *revision) time.Time {
	if active == nil {
		return s.started.Add(firstServes)
	}
	return time.Now().Add(firstAnswer)
}

// asks is what the bootstrap itself wants to know of the catalog.
func (b *Bootstrap) asks() []consul.Query {
	var all []consul.Query
	for _, c := range b.clusters() {
		if c.Consul.Service != "" {
			all = append(all, query(c.Consul))
		}
	}
	return all
}

// orFallBack keeps what is active; where nothing is, the bootstrap's revision must do.
func (s *Sidecar) orFallBack(ctx context.Context, active *revision, why string) (*revision, error) {
	if active != nil {
		return active, nil
	}
	return s.fallBack(ctx, why)
}

// fallBack puts the bootstrap's own revision into service while the source has nothing.
func (s *Sidecar) fallBack(ctx context.Context, why string) (*revision, error) {
	s.mu.Lock()
	refused := s.now.status.LastRejected
	s.mu.Unlock()
	r, err := s.bootstrap(ctx)
	if r == nil {
		return nil, err
	}
	s.mu.Lock()
	s.now.fallback, s.now.waiting = true, why
	s.now.status.LastRejected = refused // that nothing better serves is why we are here
	s.mu.Unlock()
	return r, nil
}

// bootstrap puts the bootstrap's own revision into service. It was checked when it was read: what goes wrong now is the surroundings, and
// the operator must know at once.
func (s *Sidecar) bootstrap(ctx context.Context) (*revision, error) {
	r, err := s.apply(ctx, nil, config.FromBootstrap(s.boot.Base()), string(SourceEnv))
	if err == nil {
		return r, nil
	}
	if ctx.Err() != nil {
		return nil, nil //nolint:nilerr // it was given up because the end has come, which is no fault of the bootstrap
	}
	var all []error
	for _, why := range reasons(err) {
		all = append(all, errors.New(knob(why)))
	}
	return nil, startError(errors.Join(all...), err)
}

// knob has a sentence about the bootstrap's revision begin with the variable that the operator turns.
func knob(why string) string {
	for _, part := range []struct{ begins, instead string }{
		{`listener "` + defaultListener + `": `, "GATEWAY_LISTEN: "},
		{`listener "`, `GATEWAY_TCP: listener "`},
		{"listeners[0].tls.certificates", "GATEWAY_TLS_CERTS: tls.certificates"},
		{"listeners[0].tls.client_ca_file: ", "GATEWAY_TLS_CLIENT_CA: "},
	} {
		if rest, ok := strings.CutPrefix(why, part.begins); ok {
			return part.instead + rest
		}
	}
	return why
}
