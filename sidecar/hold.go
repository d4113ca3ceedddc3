package sidecar

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
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

// unanswered names the services of a document of which the catalog has said nothing yet, with what keeps it. Those
// whose filter Consul refuses are in refused too: they have their answer.
func (a *applier) unanswered(doc *config.Document) (all, refused []string) {
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
	known := func(to []config.WeightedCluster) bool { return a.answered(doc, to) }
	return a.phase().serves() || len(a.lost(doc, known)) > 0
}

// answered tells whether one of the clusters of a document is not empty for want of a response of the catalog.
func (a *applier) answered(doc *config.Document, to []config.WeightedCluster) bool {
	return len(to) == 0 || slices.ContainsFunc(to, func(w config.WeightedCluster) bool {
		i := slices.IndexFunc(doc.Clusters, func(c config.Cluster) bool { return c.Name == w.Name })
		if i < 0 || w.Weight == 0 {
			return false
		}
		c := &doc.Clusters[i]
		if c.Consul.Service == "" || c.AllowEmpty || len(c.Endpoints) > 0 {
			return true
		}
		_, known := a.catalog.Endpoints(consul.QueryOf(c.Consul))
		return known
	})
}

// loses is an error where a route or an L4 listener has a usable endpoint now, and would have none in next.
func (a *applier) loses(next *revision) error {
	if all := a.lost(next.doc, next.usable); len(all) > 0 {
		return &heldError{all}
	}
	return nil
}

// lost tells which routes and L4 listeners have a usable endpoint now, and would have none in doc. usable tells whether
// some of its clusters have one.
func (a *applier) lost(doc *config.Document, usable func([]config.WeightedCluster) bool) (all []string) {
	serves := a.active.doc
	known := docdiff.RoutesOf(serves)
	for i := range doc.Routes {
		r := &doc.Routes[i]
		at := known.Partner(r)
		if at < 0 || !a.active.usable(serves.Routes[at].Clusters) || !a.active.usable(serves.Routes[at].Asks()) {
			continue
		}
		for _, to := range [][]config.WeightedCluster{r.Clusters, r.Asks()} {
			if !usable(to) {
				all = append(all, fmt.Sprintf("route %s: no endpoint in %s", r.Name, clusterNames(to)))
			}
		}
	}
	for i := range doc.Listeners {
		l := &doc.Listeners[i]
		was := docdiff.L4Partner(serves, l)
		if was < 0 {
			continue
		}
		before := forwarded(&serves.Listeners[was])
		for host, to := range forwarded(l) {
			if then := before[host]; then != nil && a.active.usable(then) && !usable(to) {
				all = append(all, fmt.Sprintf("listener %s: no endpoint in %s", l.Name, clusterNames(to)))
			}
		}
	}
	slices.Sort(all)
	return all
}

// forwarded is where an L4 listener sends connections, by server name; "" for those without a rule.
func forwarded(l *config.Listener) map[string][]config.WeightedCluster {
	all := map[string][]config.WeightedCluster{}
	if l.Cluster != "" {
		all[""] = []config.WeightedCluster{{Name: l.Cluster, Weight: 1}}
	}
	for i := range l.SNI {
		all[l.SNI[i].Host] = []config.WeightedCluster{{Name: l.SNI[i].Cluster, Weight: 1}}
	}
	return all
}

// usable tells whether one of the clusters has an endpoint that may be used, or may be empty by the author's will.
func (r *revision) usable(to []config.WeightedCluster) bool {
	return len(to) == 0 || slices.ContainsFunc(to, func(w config.WeightedCluster) bool {
		c := r.clusters[w.Name]
		return w.Weight > 0 && c != nil && (c.Usable() || c.Config().AllowEmpty)
	})
}

// mayBeEmpty tells whether one of the clusters may have no endpoint by the author's will.
func (r *revision) mayBeEmpty(to []config.WeightedCluster) bool {
	return slices.ContainsFunc(to, func(w config.WeightedCluster) bool {
		c := r.clusters[w.Name]
		return w.Weight > 0 && c != nil && c.Config().AllowEmpty
	})
}

func clusterNames(to []config.WeightedCluster) string {
	names := make([]string, len(to))
	for i := range to {
		names[i] = to[i].Name
	}
	return strings.Join(names, ", ")
}
