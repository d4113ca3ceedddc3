package sidecar

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// firstAnswer is how long a revision waits for endpoints of the services that it names. The old one serves meanwhile.
const firstAnswer = 2 * time.Second

// applier is the applying goroutine with what it alone writes: tables, clusters, endpoints, and what serves.
type applier struct {
	*Sidecar
	active  *revision        // nil while nothing serves
	pending *pendingDocument // the newest document while it is not in service; nil = none
	kept    keptTries        // of the last good document

	settleAt time.Time // end of the trial of what serves; zero = it is over
	savedAt  time.Time // when the state was last given to be written
	unsaved  bool      // something has changed since
}

// run applies revisions until reading ends, then endpoints alone until life ends: what was applied still drains. When
// reading has ended, or not even the bootstrap can serve, it sends the reason to frozen, nil for none.
func (a *applier) run(reading, life context.Context, documents <-chan discovery.Document, frozen chan<- error) {
	frozen <- a.revisions(reading, documents)
	defer a.keepLast()
	for {
		select {
		case <-life.Done():
			if a.active != nil {
				a.active.certs.Close()
			}
			return
		case <-a.catalog.Changed():
			a.endpoints()
		}
	}
}

// revisions applies documents and endpoints until ctx ends. The error is that not even the bootstrap can serve; it
// comes only before anything does.
func (a *applier) revisions(ctx context.Context, documents <-chan discovery.Document) error {
	boot := time.NewTimer(time.Until(a.started.Add(bootstrapAfter)))
	defer boot.Stop()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	a.catalog.Watch(a.boot.catalogQueries()) // what it names will be known when it is needed
	if a.boot.Source == SourceConsul {       // the others need not be waited for
		a.restore(ctx)
	}
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case d := <-documents:
			err = a.take(ctx, d)
			if a.boot.Benchmark && a.active != nil {
				documents = nil // no hot reload
			}
		case <-boot.C:
			err = a.orFallBack(ctx, a.silence())
		case <-a.catalog.Changed():
			a.endpoints()
			if a.pending != nil && a.pending.status.State != stateRejected {
				err = a.tryPending(ctx)
			}
		case now := <-again.C:
			a.keep(now)
			err = a.tryAgain(ctx, now)
		}
		if err != nil {
			return err
		}
	}
}

// endpoints hands on what the catalog has learned.
func (a *applier) endpoints() {
	for _, e := range a.catalog.Take() {
		a.active.deliver(e)
		a.unsaved = true
	}
	if a.active != nil && len(a.active.missing) > 0 {
		a.noteMissing()
	}
}

// noteMissing tells the admin port for which services of the active revision the catalog has said nothing yet.
func (a *applier) noteMissing() {
	a.active.missing = slices.DeleteFunc(a.active.missing, func(q consul.Query) bool {
		_, known := a.catalog.Endpoints(q)
		return known
	})
	var names []string
	for _, q := range a.active.missing {
		names = append(names, q.String())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now.unanswered = names
}

// take makes the document of the source the active revision, if it is one. The error is that nothing can serve.
func (a *applier) take(ctx context.Context, d discovery.Document) error {
	a.release()
	if a.again.Swap(false) {
		a.trials().lift()
	}
	switch {
	case d.Negative:
		return a.missing(ctx, d)
	case d.Refused != nil:
		a.reject(d.Hash, "source", []string{d.Refused.Error()})
		return a.orFallBack(ctx, d.Refused.Error())
	case len(d.Parts) == 0: // the environment: the bootstrap is all there is
		if a.active != nil {
			a.confirm(d)
			return nil
		}
		return a.bootstrap(ctx)
	}
	if a.trials().forced(d.Forced) {
		a.trials().lift()
	}
	if why := a.trials().quarantined(d.Hash); why != "" {
		a.reject(d.Hash, "quarantined", []string{why})
		return a.orFallBack(ctx, "its document is quarantined")
	}
	a.trials().lift() // the content is another one
	a.trials().begin(d.Hash)
	defer a.endTrial(d.Hash)
	doc, err := config.DecodeParts(d.Parts, a.boot.Base())
	if err != nil {
		a.reject(d.Hash, "invalid", reasons(err))
		return a.orFallBack(ctx, "its document is invalid")
	}
	if a.active != nil && a.active.doc.Revision == doc.Revision {
		a.confirm(d)
		return nil
	}
	return a.offer(ctx, doc, d)
}

// missing is that there is no document, which was confirmed: what is active stays.
func (a *applier) missing(ctx context.Context, d discovery.Document) error {
	st := a.source.Status()
	why := fmt.Sprintf("%s has no document (%s)", d.Source, st.Name)
	if st.Error != "" {
		why = cannotRead(st)
	}
	if a.active == nil {
		return a.orFallBack(ctx, why)
	}
	a.mu.Lock()
	orphaned := a.now.missing(why)
	a.mu.Unlock()
	if orphaned {
		a.logger.Warn("document is gone, the last revision goes on serving", "source", d.Source, "revision",
			a.active.doc.Revision)
	}
	return nil
}

// apply prepares the whole revision, and only then makes it visible. An error leaves everything as it was.
func (a *applier) apply(ctx context.Context, doc *config.Document, from discovery.Document) error {
	begun := time.Now()
	var undo rollback
	defer undo.run()
	next, err := a.prepare(ctx, doc, from.Source, &undo)
	if err != nil {
		return err
	}
	if a.pending != nil && a.pending.doc == doc {
		if err := a.loses(next); err != nil {
			return err
		}
	}
	requests, err := a.proxy.Prepare(doc, next.clusters, next.certs)
	if err != nil {
		return err
	}
	undo.add(requests.Abort)
	connections, err := a.l4.Prepare(doc, next.clusters, next.certs)
	if err != nil {
		return err
	}
	undo.dismiss()
	requests.Commit()
	connections.Commit()
	if next.from = from; !a.state.enabled() {
		next.from.Parts = nil
	}
	a.replace(next, time.Since(begun))
	return nil
}

// prepare makes the revision's identities and clusters, and gives a bounded time to the catalog for services that are
// new. How to undo each step is added to undo.
func (a *applier) prepare(ctx context.Context, doc *config.Document, from string, undo *rollback) (*revision, error) {
	r := &revision{doc: doc, clusters: map[string]*cluster.Cluster{}, queries: map[consul.Query][]*cluster.Cluster{}}
	var err error
	if r.certs, err = a.certs.Prepare(doc); err != nil {
		return nil, err
	}
	undo.add(r.certs.Close)
	undo.add(func() { a.set.Retire(a.active.list()) })
	for i := range doc.Clusters {
		c, err := a.set.Prepare(doc.Clusters[i])
		if err != nil {
			return nil, err
		}
		r.add(c)
	}
	cluster.StandIn(r.clusters, doc.Failovers())
	if len(r.queries) == 0 {
		return r, nil
	}
	undo.add(func() { a.catalog.Watch(a.catalogQueries()) })
	a.catalog.Watch(append(r.catalogQueries(), a.catalogQueries()...))
	r.missing = a.await(ctx, r, from)
	for q := range r.queries {
		if a.active.follows(q) {
			continue // its clusters begin with what the active ones have, holds included
		}
		if e, ok := a.catalog.Endpoints(q); ok {
			r.deliver(e)
		} else if a.active == nil || from == sourceState {
			a.recall(r, q)
		}
	}
	return r, nil
}

// catalogQueries returns what is to be known of the catalog, for what serves and for what is pending.
func (a *applier) catalogQueries() []consul.Query {
	all := a.active.catalogQueries()
	if a.pending == nil {
		return all
	}
	for i := range a.pending.doc.Clusters {
		if c := a.pending.doc.Clusters[i].Consul; c.Service != "" {
			all = append(all, query(c))
		}
	}
	return all
}

// replace makes next, which is visible, the active revision, and gives up what only the one before it held.
func (a *applier) replace(next *revision, took time.Duration) {
	before, source := a.active, next.from.Source
	a.active = next
	a.set.Retire(next.list())
	a.catalog.Watch(next.catalogQueries())
	next.certs.InService()
	if before != nil {
		before.certs.Close()
	}
	if a.state.enabled() && a.state.found != nil && (before == nil || source == sourceState) {
		a.set.RestoreEjections(a.state.found.Ejections)
	}
	a.registry.RevisionApplied.Inc()
	a.registry.RevisionInfo(next.doc.Revision)
	a.mu.Lock()
	a.now.applied(next.doc, source, time.Now())
	a.mu.Unlock()
	a.settle(time.Now())
	a.noteMissing()
	a.logger.Info("revision applied", "revision", next.doc.Revision, "source", source, "routes", len(next.doc.Routes),
		"clusters", len(next.doc.Clusters), "changes", changes(before, next), "took",
		took.Round(time.Millisecond).String())
	for _, q := range next.missing {
		a.logger.Warn("no endpoints received yet, the cluster begins without any", "service", q.String())
	}
	for i := range next.doc.Clusters {
		if c := &next.doc.Clusters[i]; c.TLS.Enabled() && c.TLS.InsecureSkipVerify {
			a.logger.Warn("upstream certificates are not verified", "cluster", c.Name, "setting",
				"tls.insecure_skip_verify")
		}
	}
}

// rollback is how to undo what was prepared.
type rollback []func()

// add adds what undoes the latest step.
func (r *rollback) add(undo func()) { *r = append(*r, undo) }

// run undoes every step, the latest first.
func (r *rollback) run() {
	for _, undo := range slices.Backward(*r) {
		undo()
	}
}

// dismiss leaves what was prepared as it is.
func (r *rollback) dismiss() { *r = nil }

// maxChanges bounds what the one line about a revision tells.
const maxChanges = 10

func changes(before, next *revision) []string {
	var old *config.Document
	if before != nil {
		old = before.doc
	}
	all := config.Diff(old, next.doc)
	if len(all) > maxChanges {
		all = append(all[:maxChanges:maxChanges], "and more")
	}
	return all
}

// confirm notes that the source still, or again, has the document that serves.
func (a *applier) confirm(d discovery.Document) {
	if a.active.from = d; !a.state.enabled() {
		a.active.from.Parts = nil
	}
	a.unsaved = true
	a.mu.Lock()
	rejected := a.now.status.LastRejected != nil
	a.now.confirmed(d.Source)
	a.mu.Unlock()
	if rejected {
		a.logger.Info("document is good again: it is the revision that serves", "source", d.Source, "revision",
			a.active.doc.Revision)
	}
}

// reject notes a document that does not come into service; what is active goes on.
func (a *applier) reject(hash, class string, why []string) {
	a.registry.RevisionRejected(class).Inc()
	a.mu.Lock()
	a.now.rejected(&Rejection{Hash: hash, At: time.Now(), Reasons: why})
	a.mu.Unlock()
	a.logRejected(hash, class, why)
}

func (a *applier) logRejected(hash, class string, why []string) {
	a.logger.Warn("revision rejected, what served goes on serving",
		"hash", hash, "class", class, "problems", len(why), "reasons", why)
}

// reasons are the single problems of err.
func reasons(err error) []string {
	if problems, ok := errors.AsType[config.Problems](err); ok {
		all := make([]string, len(problems))
		for i, p := range problems {
			all[i] = p.String()
		}
		return all
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []string
		for _, e := range joined.Unwrap() {
			all = append(all, e.Error())
		}
		return all
	}
	return []string{err.Error()}
}
