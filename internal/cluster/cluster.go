package cluster

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"unique"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// The errors of Pick.
var (
	// ErrNoEndpoint: none is left that may be used (flag UH).
	ErrNoEndpoint = errors.New("no healthy upstream")
	// ErrOverflow: a limit of the cluster was reached (flag UO).
	ErrOverflow = errors.New("upstream limit reached")
)

// Cluster is one cluster as one revision has it. Only its list of endpoints
// changes, by one store; what lives longer is in the group and the endpoints.
type Cluster struct {
	cfg     *config.Cluster // of the document, which does not change
	group   *group
	feed    *feed // nil without Consul
	way     unique.Handle[way]
	outlier outlier
	strict  bool // panic: never
	maxReqs int64
	view    atomic.Pointer[view]

	failover atomic.Pointer[[]*Cluster] // those that stand in for it; nil: none

	// +checklocks:group.set.mu
	endChecks context.CancelFunc // nil: not checked
}

// way is how connections to an endpoint are made, as far as the document says. A connection made in one way is never
// used for a cluster that needs another.
type way struct {
	protocol      string
	tls           config.ClusterTLS
	proxyProtocol string
}

// Name is the cluster's name in the document.
func (c *Cluster) Name() string { return c.cfg.Name }

// Config is the cluster as the document has it; not to be changed.
func (c *Cluster) Config() *config.Cluster { return c.cfg }

// Telemetry is where the cluster is measured.
func (c *Cluster) Telemetry() *telemetry.Cluster { return c.group.tele }

// InFlight is how many leases are held, of all revisions of the cluster.
func (c *Cluster) InFlight() int64 { return c.group.requests.Load() }

// Usable tells whether there is an endpoint to pick from, in panic mode too, or in a cluster that stands in.
func (c *Cluster) Usable() bool {
	return c.usableAlone() || slices.ContainsFunc(c.StandIns(), (*Cluster).usableAlone)
}

// Pick leases an endpoint; Endpoint.Done ends the lease. With tried it goes to an endpoint not yet tried if there is
// one, and remembers it there. nil is for those that never try again. The error is ErrNoEndpoint or ErrOverflow. It
// never blocks.
func (c *Cluster) Pick(tried *Tried) (*Endpoint, error) {
	g := c.group
	if g.requests.Add(1) > c.maxReqs {
		g.requests.Add(-1)
		g.tele.Overflow.Inc()
		return nil, ErrOverflow
	}
	v := c.view.Load()
	var e *Endpoint
	if len(v.members) == 1 && (tried == nil || tried.n == 0) && v.members[0].health.gate.Load() == gateOpen {
		e = v.members[0].endpoint.lease()
	} else if e = c.choose(v, tried); e == nil {
		g.requests.Add(-1)
		return nil, ErrNoEndpoint
	}
	if tried != nil {
		tried.add(e.health)
	}
	return e, nil
}

// noLimit as maxReqs is out of reach.
const noLimit = math.MaxInt64

func limit(n int) int64 {
	if n <= 0 {
		return noLimit
	}
	return int64(n)
}
