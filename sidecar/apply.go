package sidecar

import (
	"context"
	"errors"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/mtls"
)

// firstAnswer is how long a revision waits for the first word about the services that it names. The old one serves meanwhile.
const firstAnswer = 2 * time.Second

// serving is what is in service, and what was refused. The applying goroutine writes it, /status reads it.
type serving struct {
	doc      *config.Document // nil before the first revision
	status   RevisionStatus
	waiting  string // why there is no document of the source yet; empty when there is one
	fallback bool   // doc is the bootstrap's alone because the source has nothing
}

// revision is a document in service with all that belongs to it. The applying goroutine's own.
type revision struct {
	doc      *config.Document
	clusters map[string]*cluster.Cluster
	queries  map[consul.Query][]*cluster.Cluster
	certs    *mtls.Prepared
}

// applyAll is the applying goroutine: the only writer of tables, clusters and endpoints. It ends with ctx and gives what serves then. The
// error is that not even the bootstrap can serve; it comes only before anything does.
func (s *Sidecar) applyAll(ctx context.Context, documents <-chan discovery.Document) (active *revision, err error) {
	boot := time.NewTimer(time.Until(s.started.Add(bootstrapAfter)))
	defer boot.Stop()
	s.catalog.Watch(s.boot.asks()) // what it names will be known when it is needed
	for {
		select {
		case <-ctx.Done():
			return active, nil
		case d := <-documents:
			active, err = s.take(ctx, active, d)
			if s.boot.Benchmark && active != nil {
				documents = nil // no hot reload
			}
		case <-boot.C:
			if active == nil {
				active, err = s.fallBack(ctx, "nothing was heard from the source within "+bootstrapAfter.String())
			}
		case <-s.catalog.Changed():
			s.endpoints(active)
		}
		if err != nil {
			return nil, err
		}
	}
}

// follow goes on with the endpoints alone, as the applying goroutine does while what it has made drains. It ends with ctx.
func (s *Sidecar) follow(ctx context.Context, active *revision) {
	for {
		select {
		case <-ctx.Done():
			if active != nil {
				active.certs.Close()
			}
			return
		case <-s.catalog.Changed():
			s.endpoints(active)
		}
	}
}

// endpoints hands on what the catalog has learned.
func (s *Sidecar) endpoints(active *revision) {
	for _, e := range s.catalog.Take() {
		active.deliver(e)
	}
}

// take makes the document of the source the active revision, if it is one. It returns what is active afterwards.
func (s *Sidecar) take(ctx context.Context, active *revision, d discovery.Document) (*revision, error) {
	switch {
	case d.Negative:
		return s.missing(ctx, active, d)
	case d.Refused != nil:
		s.reject(d.Hash, "source", []string{d.Refused.Error()})
		return s.orFallBack(ctx, active, d.Refused.Error())
	case len(d.Parts) == 0: // the environment: the bootstrap is all there is
		if active != nil {
			s.confirm(d.Source)
			return active, nil
		}
		return s.bootstrap(ctx)
	}
	doc, err := config.DecodeParts(d.Parts, s.boot.Base())
	if err != nil {
		s.reject(d.Hash, "invalid", reasons(err))
		return s.orFallBack(ctx, active, "its document is invalid")
	}
	if active != nil && active.doc.Revision == doc.Revision {
		s.confirm(d.Source)
		return active, nil
	}
	next, err := s.apply(ctx, active, doc, d.Source)
	if err != nil {
		if ctx.Err() == nil {
			s.reject(d.Hash, "prepare", reasons(err))
		}
		return s.orFallBack(ctx, active, "its document cannot be applied")
	}
	return next, nil
}

// missing is that there is no document, which was confirmed: what is active stays, as orphaned.
func (s *Sidecar) missing(ctx context.Context, active *revision, d discovery.Document) (*revision, error) {
	why := d.Source + " has no document"
	if active == nil {
		return s.fallBack(ctx, why)
	}
	s.mu.Lock()
	st := &s.now.status
	orphaned := !s.now.fallback && !st.Orphaned
	if st.LastRejected = nil; s.now.fallback {
		s.now.waiting = why
	} else {
		st.Orphaned = true
	}
	s.mu.Unlock()
	if orphaned {
		s.logger.Warn("document is gone, the last revision goes on serving", "source", d.Source, "revision", active.doc.Revision)
	}
	return active, nil
}

// apply prepares the whole revision, and only then makes it visible. An error leaves everything as it was.
func (s *Sidecar) apply(ctx context.Context, active *revision, doc *config.Document, source string) (*revision, error) {
	begun := time.Now()
	next, err := s.prepare(ctx, active, doc)
	if err != nil {
		return nil, err
	}
	requests, err := s.proxy.Prepare(doc, next.clusters, next.certs)
	if err != nil {
		s.drop(active, next)
		return nil, err
	}
	connections, err := s.l4.Prepare(doc, next.clusters, next.certs)
	if err != nil {
		requests.Abort()
		s.drop(active, next)
		return nil, err
	}
	requests.Commit()
	connections.Commit()
	s.drop(next, active)
	s.applied(active, next, source, time.Since(begun))
	return next, nil
}

// prepare builds the revision's clusters on the endpoints there are, and waits a bounded time for word of those that are new.
func (s *Sidecar) prepare(ctx context.Context, active *revision, doc *config.Document) (*revision, error) {
	r := &revision{doc: doc, clusters: map[string]*cluster.Cluster{}, queries: map[consul.Query][]*cluster.Cluster{}}
	var err error
	if r.certs, err = s.certs.Prepare(doc); err != nil {
		return nil, err
	}
	for i := range doc.Clusters {
		c, err := s.set.Prepare(doc.Clusters[i])
		if err != nil {
			s.drop(active, r)
			return nil, err
		}
		r.clusters[c.Name()] = c
		if cfg := c.Config().Consul; cfg.Service != "" {
			q := query(cfg)
			r.queries[q] = append(r.queries[q], c)
		}
	}
	if len(r.queries) == 0 {
		return r, nil
	}
	s.catalog.Watch(append(r.asks(), active.asks()...))
	wait, cancel := context.WithDeadline(ctx, s.patience(active))
	defer cancel()
	for _, q := range s.catalog.Wait(wait) {
		s.logger.Warn("no endpoints received yet, the cluster begins without any", "service", q.String())
	}
	for q := range r.queries {
		if e, ok := s.catalog.Endpoints(q); ok {
			r.deliver(e)
		}
	}
	return r, nil
}

// drop gives up what only gone holds; keep is what serves. Either may be nil.
func (s *Sidecar) drop(keep, gone *revision) {
	var clusters []*cluster.Cluster
	if keep != nil {
		for _, c := range keep.clusters {
			clusters = append(clusters, c)
		}
	}
	s.set.Retire(clusters)
	s.catalog.Watch(keep.asks())
	if gone != nil {
		gone.certs.Close()
	}
}

// query is what of c the catalog is asked.
func query(c config.Consul) consul.Query {
	return consul.Query{Service: c.Service, Tag: c.Tag, Datacenter: c.Datacenter}
}

// asks is what the revision wants to know of the catalog. A nil revision wants nothing.
func (r *revision) asks() []consul.Query {
	if r == nil {
		return nil
	}
	var all []consul.Query
	for q := range r.queries {
		all = append(all, q)
	}
	return all
}

// deliver hands what the catalog says to the clusters that asked. A nil revision asked nothing.
func (r *revision) deliver(e consul.Endpoints) {
	if r == nil {
		return
	}
	for _, c := range r.queries[e.Query] {
		c.SetEndpoints(e.Instances)
	}
}

// applied notes the revision that serves now.
func (s *Sidecar) applied(old, next *revision, source string, took time.Duration) {
	s.registry.RevisionApplied.Inc()
	s.registry.RevisionInfo(next.doc.Revision)
	s.mu.Lock()
	s.now.doc = next.doc
	st := &s.now.status
	st.ID, st.Source, st.Since, st.Orphaned, st.LastRejected = next.doc.Revision, source, time.Now(), false, nil
	st.Applied++
	s.now.fallback, s.now.waiting = false, ""
	s.mu.Unlock()
	s.logger.Info("revision applied", "revision", next.doc.Revision, "source", source, "routes", len(next.doc.Routes),
		"clusters", len(next.doc.Clusters), "changes", changes(old, next), "took", took.Round(time.Millisecond).String())
	for i := range next.doc.Clusters {
		if c := &next.doc.Clusters[i]; c.TLS.Enabled() && c.TLS.InsecureSkipVerify {
			s.logger.Warn("upstream certificates are not verified", "cluster", c.Name, "setting", "tls.insecure_skip_verify")
		}
	}
}

// maxChanges bounds what the one line about a revision tells.
const maxChanges = 10

func changes(old, next *revision) []string {
	var before *config.Document
	if old != nil {
		before = old.doc
	}
	all := config.Diff(before, next.doc)
	if len(all) > maxChanges {
		all = append(all[:maxChanges:maxChanges], "and more")
	}
	return all
}

// confirm notes that the source still, or again, has the document that serves.
func (s *Sidecar) confirm(source string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.status.Orphaned, s.now.status.Source, s.now.status.LastRejected = false, source, nil
	s.now.fallback, s.now.waiting = false, ""
}

// reject notes a document that does not come into service; what is active goes on.
func (s *Sidecar) reject(hash, class string, why []string) {
	s.registry.RevisionRejected(class).Inc()
	s.mu.Lock()
	s.now.status.Rejected++
	s.now.status.LastRejected = &Rejection{Hash: hash, At: time.Now(), Reasons: why}
	s.mu.Unlock()
	s.logger.Warn("revision rejected, what served goes on serving", "hash", hash, "class", class, "problems", len(why), "reasons", why)
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
