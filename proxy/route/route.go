package route

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Route is one compiled route: everything a request needs to know is resolved. Immutable.
type Route struct {
	Name      string
	Config    *config.Route
	Telemetry *telemetry.Route
	Retry     RetryPolicy

	prefix   string // without its last slash; "" is "/"
	upstream []weighted
	total    int        // sum of the weights
	rate     *rateLimit // nil: none
	upgrades []string   // protocols that may be upgraded to, lower case
}

// Prefix is the route's path prefix without its last slash; empty is "/".
func (rt *Route) Prefix() string { return rt.prefix }

// weighted is a cluster and its share of the route's requests.
type weighted struct {
	up     *Upstream
	weight int
}

// compileRoute resolves the names of c. What it cannot resolve is a fault of the validation before it.
func compileRoute(c *config.Route, o *Options) (*Route, error) {
	rt := &Route{
		Name: c.Name, Config: c, Telemetry: o.Registry.Route(c.Name), Retry: compileRetry(&c.Retries),
		prefix: strings.TrimSuffix(c.Match.PathPrefix, "/"), upgrades: c.Upgrades, rate: o.Previous.rateLimit(c),
	}
	for _, w := range c.Clusters {
		up := o.Upstreams[w.Name]
		if up == nil {
			return nil, fmt.Errorf("route %q: cluster %q is not defined", c.Name, w.Name)
		}
		rt.upstream = append(rt.upstream, weighted{up, w.Weight})
		rt.total += w.Weight
	}
	return rt, nil
}

// conditions is how many conditions the route has besides host and prefix.
func (rt *Route) conditions() int {
	return min(len(rt.Config.Match.Methods), 1) + len(rt.Config.Match.Headers)
}

// accepts tells whether the request meets the route's conditions.
func (rt *Route) accepts(h *message.Head, listener string) bool {
	return rt.unmet(h, listener) == allMet
}

// condition is one that a route has besides host and prefix: one of these, or the index of a header.
type condition int

const (
	allMet condition = -1 - iota
	methodUnmet
	listenerUnmet
)

// unmet is the first condition of the route that the request does not meet.
func (rt *Route) unmet(h *message.Head, listener string) condition {
	m := &rt.Config.Match
	if len(m.Methods) > 0 && !contains(m.Methods, h.Method) {
		return methodUnmet
	}
	for i := range m.Headers {
		if v, ok := h.Find(m.Headers[i].Name); !ok || string(v) != m.Headers[i].Value {
			return condition(i)
		}
	}
	if len(rt.Config.Listeners) > 0 && !slices.Contains(rt.Config.Listeners, listener) {
		return listenerUnmet
	}
	return allMet
}

func contains(list []string, b []byte) bool {
	for _, s := range list { //nolint:modernize // slices.Contains would make a string of b
		if s == string(b) {
			return true
		}
	}
	return false
}

// choose draws the cluster for one request by the weights. nil: all weights are 0.
func (rt *Route) choose() *Upstream {
	if len(rt.upstream) == 1 && rt.total > 0 {
		return rt.upstream[0].up
	}
	if rt.total == 0 {
		return nil
	}
	n := rand.IntN(rt.total)
	for i := range rt.upstream {
		if n -= rt.upstream[i].weight; n < 0 {
			return rt.upstream[i].up
		}
	}
	return nil
}

// mayUpgrade tells whether the route passes an upgrade to the protocols in offer, a list as Upgrade has it.
func (rt *Route) mayUpgrade(offer []byte) bool {
	ok := false
	all := message.EachElement(offer, func(p []byte) bool {
		ok = slices.ContainsFunc(rt.upgrades, func(u string) bool { return message.EqualFold(p, u) })
		return ok
	})
	return all && ok
}
