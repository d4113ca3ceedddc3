package route

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
)

// Upstream is a cluster as the routes of one revision use it: where to pick and how to connect. Immutable; Budget and
// Queue point to state that outlives the revision.
type Upstream struct {
	Cluster  *cluster.Cluster
	Protocol string // config.ProtocolHTTP1, ProtocolHTTP2 or ProtocolAuto
	Dial     netio.DialFunc
	Scheme   []byte        // for HTTP/2: http, or https under TLS
	Connect  time.Duration // longest time to connect, and to wait for a free connection
	Failover []*Upstream   // stand in while it has no usable endpoint: those of Cluster.StandIns
	Failures *FailureStatuses
	Hash     *HashKey // nil: its endpoints are not chosen by a key
	Budget   *cluster.RetryBudget
	Copies   *Copies        // of other clusters' requests, which it gets
	Queue    *cluster.Queue // in front of the cluster; nil: none
}

// serving is the cluster that a request for u goes to now: u, or one that stands in for it.
func (u *Upstream) serving() *Upstream {
	if len(u.Failover) == 0 {
		return u
	}
	if n := u.Cluster.Serving(); n > 0 {
		return u.Failover[n-1]
	}
	return u
}
