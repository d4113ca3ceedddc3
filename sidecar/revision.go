package sidecar

import (
	"maps"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// revision is a document with all that was made for it. It belongs to the applying goroutine. A nil revision has no
// clusters and no queries.
type revision struct {
	doc      *config.Document
	from     discovery.Document // without parts where nothing is kept
	clusters map[string]*cluster.Cluster
	queries  map[consul.Query][]*cluster.Cluster // who wants to know what of the catalog
	certs    *mtls.Prepared
	missing  []consul.Query // of which the catalog has said nothing yet

	replayed route.Replayed // what it made of recent requests
	hasty    bool           // it was replaced before its trial was over

	table       *route.Table        // of L7; nil until it is compiled
	connections []*telemetry.Faults // of L4, by listener of the document
}

// predecessor is a revision that serves, or did until another one came, and how.
type predecessor struct {
	*revision // nil: nothing did
	phase     phase
	since     time.Time
}

// add makes a cluster part of the revision.
func (r *revision) add(c *cluster.Cluster) {
	r.clusters[c.Name()] = c
	if cfg := c.Config().Consul; cfg.Service != "" {
		q := consul.QueryOf(cfg)
		r.queries[q] = append(r.queries[q], c)
	}
}

// list returns all clusters, in no order.
func (r *revision) list() []*cluster.Cluster {
	if r == nil {
		return nil
	}
	return slices.Collect(maps.Values(r.clusters))
}

// catalogQueries returns what the revision wants to know of the catalog, in no order.
func (r *revision) catalogQueries() []consul.Query {
	if r == nil {
		return nil
	}
	return slices.Collect(maps.Keys(r.queries))
}

// follows tells whether a cluster of the revision takes its endpoints from q.
func (r *revision) follows(q consul.Query) bool { return r != nil && len(r.queries[q]) > 0 }

// deliver gives what the catalog says to the clusters that subscribed to it.
func (r *revision) deliver(e consul.Endpoints) {
	if r == nil {
		return
	}
	for _, c := range r.queries[e.Query] {
		c.NoteAbsence(e.Absence)
		c.SetEndpoints(e.Instances)
	}
}
