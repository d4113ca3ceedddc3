package route

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// Mirror is where copies of a route's requests go. Immutable.
type Mirror struct {
	up      *Upstream
	route   *Route // of the copies
	percent float64
}

// longestCopy is how long a copy may last: nobody waits for what comes back.
const longestCopy = 30 * time.Second

// Copies counts the copies of requests that one cluster has, or will get when the request has been read. It outlives
// revisions. Safe from any goroutine.
type Copies struct{ n atomic.Int32 }

// MaxCopies bounds the copies of one cluster at a time. With their heads and bodies they hold 16 MiB at most.
const MaxCopies = 128

// TryEnter takes a place if one is free. Leave gives it back.
func (c *Copies) TryEnter() bool {
	if c.n.Add(1) <= MaxCopies {
		return true
	}
	c.n.Add(-1)
	return false
}

// Leave gives a place back.
func (c *Copies) Leave() { c.n.Add(-1) }

// compileMirror is nil for a route without one. rt has its edits and rewrites.
func (rt *Route) compileMirror(o *Options) (*Mirror, error) {
	m := &rt.Config.Mirror
	if m.Cluster == "" {
		return nil, nil
	}
	up := o.Upstreams[m.Cluster]
	if up == nil {
		return nil, fmt.Errorf("mirror: cluster %q is not defined", m.Cluster)
	}
	c := *rt.Config
	c.Retries, c.Mirror = config.Retries{Attempts: 1}, config.Mirror{}
	return &Mirror{up: up, percent: m.Percent, route: &Route{
		Name: rt.Name, Config: &c, Retry: compileRetry(&c.Retries), Request: rt.Request,
		prefix: rt.prefix, pattern: rt.pattern, rewrite: rt.rewrite,
	}}, nil
}

// drawn tells whether this request is one of those that are copied.
func (m *Mirror) drawn() bool { return m.percent >= 100 || rand.Float64()*100 < m.percent }

// Upstream is the cluster that gets the copies, unless another stands in for it.
func (m *Mirror) Upstream() *Upstream { return m.up }

// Copy is what has been decided about the copy h of the request from c on which d was made. It shares no memory with
// the Workspace of d.
func (d *Decision) Copy(h *message.Head, c *Client, now int64) Decision {
	m := d.Mirror
	other := *d
	other.Detach()
	other.Route, other.Upstream, other.Mirror, other.cookies = m.route, nil, nil, nil
	// No endpoint is to blame for what takes longer.
	other.Deadline, other.ClientDeadline = now+int64(longestCopy), true
	other.FailOver(m.up, h, c)
	return other
}
