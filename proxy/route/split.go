package route

import (
	"math/rand/v2"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// weighted is a cluster and its share of the route's requests. Immutable.
type weighted struct {
	up     *Upstream
	weight int

	value cookieValue // with sticky: what names the cluster to clients
	field []byte      // with sticky: what makes a client stay there
}

// compileSplit resolves the clusters of c.
func (rt *Route) compileSplit(c *config.Route, upstreams map[string]*Upstream) (unknown string) {
	if c.Sticky.Cookie.Name != "" {
		rt.sticky = compileCookie(&c.Sticky.Cookie)
	}
	for _, one := range c.Clusters {
		w := weighted{up: upstreams[one.Name], weight: one.Weight}
		if w.up == nil {
			return one.Name
		}
		if rt.sticky != nil {
			w.value = valueOf(cluster.Hash([]byte(one.Name)))
			w.field = rt.sticky.field(&w.value)
		}
		rt.upstream = append(rt.upstream, w)
		rt.total += w.weight
	}
	return ""
}

// choose is the cluster of the request h: the one at which its client stays, else one drawn by the weights.
// nil: all weights are 0.
func (d *Decision) choose(h *message.Head) *Upstream {
	rt := d.Route
	if rt.sticky == nil {
		if w := rt.draw(); w != nil {
			return w.up
		}
		return nil
	}
	if w := rt.staysAt(h); w != nil {
		return w.up
	}
	if d.stays = rt.draw(); d.stays == nil {
		return nil
	}
	return d.stays.up
}

// KeepNowhere has the response keep its client at no cluster, so that the next request is drawn anew. It is for local
// replies: the cluster that was drawn may be the one that fails.
func (d *Decision) KeepNowhere() { d.stays = nil }

// staysAt is the cluster that the client of the request h has a cookie for; nil: none of the route. The weight does not
// matter: 0 takes no new clients.
func (rt *Route) staysAt(h *message.Head) (w *weighted) {
	rt.sticky.find(h, func(value []byte) bool {
		w = rt.named(value)
		return w != nil
	})
	return w
}

// named is the cluster that the value of the cookie stands for; nil: none of the route.
func (rt *Route) named(value []byte) *weighted {
	for i := range rt.upstream {
		if w := &rt.upstream[i]; string(w.value[:]) == string(value) {
			return w
		}
	}
	return nil
}

// draw takes the cluster for one request by the weights. nil: all weights are 0.
func (rt *Route) draw() *weighted {
	if len(rt.upstream) == 1 && rt.total > 0 {
		return &rt.upstream[0]
	}
	if rt.total == 0 {
		return nil
	}
	n := rand.IntN(rt.total)
	for i := range rt.upstream {
		if n -= rt.upstream[i].weight; n < 0 {
			return &rt.upstream[i]
		}
	}
	return nil
}
