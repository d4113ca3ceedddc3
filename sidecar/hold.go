package sidecar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/docdiff"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// holdLogAfter is how long a document waits before the log says so. The catalog mostly responds in milliseconds.
const holdLogAfter = 2 * time.Second

// heldError is why a revision that could be prepared is not applied.
type heldError struct{ reasons []string }

func (e *heldError) Error() string { return strings.Join(e.reasons, "; ") }

// hold notes why the document is held.
func (a *applier) hold(state discovery.RevisionState, why []string) {
	h := a.pending
	a.noteHeld(state, why, time.Time{})
	a.registry.RevisionHeld(string(state))
	if !slices.Equal(h.logged, why) && (state == discovery.RevisionHeld || time.Since(h.status.Since) >= holdLogAfter) {
		h.logged = why
		a.logger.Warn("revision held, the one before goes on serving",
			"revision", h.doc.Revision, "active", a.active.doc.Revision, "state", string(state), "reasons", why)
	}
}

// noteHeld notes that the pending document is not applied, why, and until when if that is known.
func (a *applier) noteHeld(state discovery.RevisionState, why []string, until time.Time) {
	h := a.pending
	if h.status.State != state {
		h.logged, h.retry = nil, backoff{}
	}
	h.status.State, h.status.Reasons, h.status.Until = state, why, until
	if !until.IsZero() {
		why = append(slices.Clone(why), "until "+until.UTC().Format(time.RFC3339))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	status := h.status
	a.now.held(&status)
	a.now.history.note(RevisionRecord{
		Revision: h.doc.Revision, hash: h.from.Hash, State: state, Since: time.Now(), Reasons: why,
	})
}

// unhold notes that no document is held.
func (a *applier) unhold() {
	a.registry.RevisionHeld("")
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now.status.Held = nil
	a.now.history.supersede(time.Now(), discovery.RevisionWaiting, discovery.RevisionHeld)
}

// unknownServices names the services of a document of which the catalog has said nothing yet, with what keeps it. Those
// whose filter Consul refuses are in refused too: they have their answer.
func (a *applier) unknownServices(doc *config.Document) (all, refused []string) {
	for i := range doc.Clusters {
		c := &doc.Clusters[i]
		if c.Consul.Service == "" || c.AllowEmpty {
			continue
		}
		q := consul.QueryOf(c.Consul)
		if _, ok := a.catalog.Endpoints(q); ok {
			continue
		}
		why := "no response yet"
		switch class, err := a.catalog.Failure(q); {
		case class == telemetry.DiscoveryQuery.String():
			why = fmt.Sprintf("cluster %s: Consul refuses the filter %s (%s)", c.Name, q.Filter, err)
			all, refused = append(all, why), append(refused, why)
			continue
		case err != "":
			why = fmt.Sprintf("%s: %s", class, err)
		}
		all = append(all, fmt.Sprintf("cluster %s: waits for service %s (%s)", c.Name, q, why))
	}
	return all, refused
}

func (a *applier) phase() phase {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now.phase
}

// mustWait tells whether a document with services of which the catalog has said nothing has to wait. While the
// bootstrap serves alone every document is better, but for what it would take from the bootstrap.
func (a *applier) mustWait(doc *config.Document) bool {
	return a.phase().serves() || len(a.lost(doc, a.knownOutlook(doc), coverage.lacks)) > 0
}

// knownOutlook is the outlook of a document. In it a cluster is empty if the catalog has said nothing of its service.
func (a *applier) knownOutlook(doc *config.Document) outlook {
	clusters := make(map[string]*config.Cluster, len(doc.Clusters))
	for i := range doc.Clusters {
		clusters[doc.Clusters[i].Name] = &doc.Clusters[i]
	}
	return outlook{reach: func(name string) cluster.Reach {
		c := clusters[name]
		if c == nil {
			return cluster.NoEndpoint
		}
		if c.Consul.Service == "" || c.AllowEmpty || len(c.Endpoints) > 0 {
			return cluster.HasEndpoint
		}
		if _, known := a.catalog.Endpoints(consul.QueryOf(c.Consul)); known {
			return cluster.HasEndpoint
		}
		return cluster.NoEndpoint
	}}
}

// loses is an error where more requests or connections than now would find no usable endpoint in next.
func (a *applier) loses(next *revision) error {
	if all := a.lost(next.doc, next.outlook(), coverage.lacks); len(all) > 0 {
		return &heldError{all}
	}
	return nil
}

// lost tells which routes and L4 listeners have usable endpoints now, and would lack them in doc. next is what its
// clusters have, and worse judges the coverage of one of them by what it is now.
func (a *applier) lost(doc *config.Document, next outlook, worse func(next, now coverage) bool) (all []string) {
	serves, now := a.active.doc, a.active.outlook()
	for i, at := range a.partners(doc) {
		r := &doc.Routes[i]
		if at < 0 || now.of(serves.Routes[at].Clusters).none() || now.of(serves.Routes[at].Asks()).none() {
			continue
		}
		was := &serves.Routes[at]
		for _, to := range []struct{ next, now []config.WeightedCluster }{
			{r.Clusters, was.Clusters}, {r.Asks(), was.Asks()},
		} {
			if worse(next.of(to.next), now.of(to.now)) {
				all = append(all, fmt.Sprintf("route %s: %s", r.Name, next.lack(to.next)))
			}
		}
	}
	for i := range doc.Listeners {
		l := &doc.Listeners[i]
		before := takenOver(serves, l, func(to []config.WeightedCluster) bool { return !now.of(to).none() })
		for host, to := range forwarded(l) {
			if then, ok := before(host); ok && worse(next.of(to), now.of(then)) {
				all = append(all, fmt.Sprintf("listener %s: %s", l.Name, next.lack(to)))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// partners gives for each route of doc the index of the same one in what serves, -1 for none. A new route is the same
// as one that is gone if it takes requests of that one.
func (a *applier) partners(doc *config.Document) []int {
	serves := a.active.doc
	known, stays := docdiff.RoutesOf(serves), make([]bool, len(serves.Routes))
	all := make([]int, len(doc.Routes))
	for i := range doc.Routes {
		if all[i] = known.Partner(&doc.Routes[i]); all[i] >= 0 {
			stays[all[i]] = true
		}
	}
	for i := range doc.Routes {
		if all[i] >= 0 {
			continue
		}
		if at := known.Named(a.active.table.Covering(&doc.Routes[i].Match)); at >= 0 && !stays[at] {
			all[i] = at
		}
	}
	return all
}

// mayBeEmpty tells whether one of the clusters may have no endpoint by the author's will.
func (r *revision) mayBeEmpty(to []config.WeightedCluster) bool {
	return slices.ContainsFunc(to, func(w config.WeightedCluster) bool {
		c := r.clusters[w.Name]
		return w.Weight > 0 && c != nil && c.Config().AllowEmpty
	})
}
