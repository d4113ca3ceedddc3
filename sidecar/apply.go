package sidecar

import (
	"context"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// apply prepares the whole revision, and only then makes it visible. An error leaves everything as it was. as notes
// what it serves as, where that is not as the document of the source; nil: it is.
func (a *applier) apply(ctx context.Context, doc *config.Document, from discovery.Document, as func(*serving)) error {
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
	if next.replayed = requests.Replay(); !a.affordable(next, from) {
		return &lostError{next.replayed, doc.Apply.MaxLost}
	}
	connections, err := a.l4.Prepare(doc, next.clusters, next.certs)
	if err != nil {
		return err
	}
	undo.dismiss()
	next.table, next.connections = requests.Table(), connections.Faults()
	if next.from = from; !a.state.enabled() {
		next.from.Parts = nil
	}
	missing := a.missingText(next.missing)
	a.mu.Lock() // who has had a response of the revision finds it in the status, and the other way round
	requests.Commit()
	connections.Commit()
	was := predecessor{a.active, a.now.phase, a.now.status.Since}
	a.now.applied(doc, from.Source, time.Now())
	a.now.name = from.Name
	a.now.unanswered = missing // with the phase, or the gateway would be ready for an instant
	a.now.history.note(RevisionRecord{
		Revision: doc.Revision, hash: from.Hash, State: discovery.RevisionApplied, Since: time.Now(),
	})
	if next.replayed.Requests > 0 && !a.goingBack {
		a.now.status.Replay = &next.replayed
	}
	if as != nil {
		as(&a.now)
	}
	p := a.newProbation(next, was)
	if p != nil {
		a.now.status.ProbationUntil, a.now.judgedUntil = p.until, p.until
	}
	a.mu.Unlock()
	a.replace(next, was, p, time.Since(begun))
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
	undo.add(func() { a.set.Retire(a.inUse()) })
	for i := range doc.Clusters {
		c, err := a.set.Prepare(&doc.Clusters[i])
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
		if a.active.follows(q) || a.former().follows(q) {
			continue // its clusters begin with what those in use have, holds included
		}
		e, ok := a.catalog.Endpoints(q)
		if len(e.Instances) == 0 && (a.active == nil || from == sourceState) {
			a.recall(r, q) // also where the catalog has said that there are none: they are held, as later on
		}
		if ok {
			r.deliver(e)
		}
	}
	return r, nil
}

// inUse are the clusters of what serves, and of what would be put back.
func (a *applier) inUse() []*cluster.Cluster {
	return append(a.former().list(), a.active.list()...) // the last one of a name has the say
}

// catalogQueries returns what is to be known of the catalog, for what serves, for what would be put back, and for what
// is pending.
func (a *applier) catalogQueries() []consul.Query {
	all := append(a.active.catalogQueries(), a.former().catalogQueries()...)
	if a.pending == nil {
		return all
	}
	for i := range a.pending.doc.Clusters {
		if c := a.pending.doc.Clusters[i].Consul; c.Service != "" {
			all = append(all, consul.QueryOf(c))
		}
	}
	return all
}

// replace makes next, which is visible, the active revision in place of was, on probation if p is not nil. It gives up
// what only that one held.
func (a *applier) replace(next *revision, was predecessor, p *probation, took time.Duration) {
	before, source, now := was.revision, next.from.Source, time.Now()
	a.keepReplaced(&was, next, now)
	a.active = next
	a.begin(p, next)
	a.set.Retire(a.inUse())
	a.locator.want(next.doc)
	a.catalog.Watch(a.catalogQueries())
	next.certs.InService()
	if before != nil {
		before.certs.Close()
	}
	if a.state.enabled() && a.state.found != nil && !a.goingBack && (before == nil || source == sourceState) {
		a.set.RestoreEjections(a.state.found.Ejections)
	}
	a.registry.RevisionApplied.Inc()
	a.registry.RevisionInfo(next.doc.Revision)
	a.beginTrial(now)
	a.noteMissing()
	about := []any{"revision", next.doc.Revision, "source", source, "routes", len(next.doc.Routes), "clusters",
		len(next.doc.Clusters), "changes", changes(before, next), "took", took.Round(time.Millisecond).String()}
	if next.replayed.Requests > 0 {
		about = append(about, "replay", next.replayed.String())
	}
	a.logger.Info("revision applied", about...)
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
