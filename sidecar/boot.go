package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const (
	// bootstrapAfter is how long after the start the bootstrap's own revision is put into service if the source has
	// delivered nothing. So a Consul that hangs does not hold the start up.
	bootstrapAfter = 1500 * time.Millisecond
	// firstServes is how long after the start the first revision serves at the latest; 2 s are promised.
	firstServes = 1800 * time.Millisecond
)

// endpointsDeadline is until when a revision waits for its endpoints. The first one has little time. One that was held
// or rejected has waited already, and one that is put back has its endpoints.
func (a *applier) endpointsDeadline() time.Time {
	if a.goingBack || a.pending != nil && a.pending.status.State != "" {
		return time.Now()
	}
	if a.active == nil {
		return a.started.Add(firstServes)
	}
	return time.Now().Add(firstAnswer)
}

// catalogQueries returns what the bootstrap itself wants to know of the catalog.
func (b *Bootstrap) catalogQueries() []consul.Query {
	var all []consul.Query
	for _, c := range b.clusters() {
		if c.Consul.Service != "" {
			all = append(all, consul.QueryOf(c.Consul))
		}
	}
	return all
}

// orFallBack keeps what is active. Where nothing is, it puts the last good revision into service, or else the
// bootstrap's own; why says what is wrong with the source.
func (a *applier) orFallBack(ctx context.Context, why string) error {
	if a.active != nil {
		return nil
	}
	a.mu.Lock()
	rejected := a.now.status.LastRejected
	a.mu.Unlock()
	if a.restore(ctx) {
		return nil
	}
	err := a.bootstrap(ctx, func(n *serving) { n.fellBack(why, rejected) })
	if err != nil || a.active == nil {
		return err
	}
	a.logger.Warn("the bootstrap serves alone", "reason", why)
	return nil
}

// silence says why the source has delivered nothing yet: what it answered, if that was an error.
func (a *applier) silence() string {
	st := a.source.Status()
	if st.Error != "" {
		return cannotRead(st)
	}
	return fmt.Sprintf("nothing was heard of %s within %s", st.Name, bootstrapAfter)
}

func cannotRead(st discovery.Status) string {
	return fmt.Sprintf("%s cannot be read: %s", st.Name, st.Error)
}

// bootstrap puts the bootstrap's own revision into service. It was checked when it was read: what goes wrong now is the
// surroundings, and the operator must know at once. as is that of apply.
func (a *applier) bootstrap(ctx context.Context, as func(*serving)) error {
	err := a.apply(ctx, config.FromBootstrap(a.boot.Base()), discovery.Document{Source: string(SourceEnv)}, as)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // it was given up because the end has come, which is no fault of the bootstrap
	}
	var all []error
	for _, why := range reasons(err) {
		all = append(all, errors.New(knob(why)))
	}
	return startError(errors.Join(all...), err)
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
