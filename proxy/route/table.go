package proxy

import (
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// Table is one revision as the data plane reads it. Immutable: it is built, stored once, and read by every request from then on.
type Table struct {
	revision string
	router   *router
	timeouts config.Timeouts
	maxBody  int64
	log      *telemetry.LogFormat // nil: no access log
	sampling float64
	noRoute  *telemetry.Route // for requests that no route matched
	clusters map[string]bool
	rates    map[string]*rateLimit // by route name, for the next revision

	listeners   []string             // names of those for HTTP, in document order
	multiplexed bool                 // some cluster speaks, or may speak, HTTP/2
	names       map[*listener]string // of the listeners; nil when no route asks for them
}

// compile builds the table of doc. clusters has every cluster of doc, by name.
func (s *Server) compile(doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) (*Table, error) {
	multiplexed := false
	names := make(map[string]bool, len(clusters))
	ups := make(map[string]*Upstream, len(clusters))
	for name, c := range clusters {
		if c.Config().Protocol == config.ProtocolTCP {
			continue
		}
		up := &Upstream{cluster: c, protocol: c.Config().Protocol, connect: doc.Timeouts.Connect, budget: s.budget(name), dial: s.dial, scheme: schemeHTTP}
		if tc := certs.Client(name); tc != nil {
			up.dial, up.scheme = tc.Dialer(netio.Corked(s.dial)), schemeHTTPS
		}
		if name == s.queued {
			up.queue = s.queue
		}
		ups[name] = up
		multiplexed = multiplexed || up.protocol != config.ProtocolHTTP1
		names[name] = true
	}
	routes := make([]*Route, 0, len(doc.Routes))
	rates := map[string]*rateLimit{}
	for i := range doc.Routes {
		rt, err := compileRoute(&doc.Routes[i], ups, s)
		if err != nil {
			return nil, fmt.Errorf("routes[%d]: %w", i, err)
		}
		routes = append(routes, rt)
		if rt.rate != nil {
			rates[rt.name] = rt.rate
		}
	}
	t := &Table{
		revision: doc.Revision, router: newRouter(routes), timeouts: doc.Timeouts, maxBody: doc.Limits.MaxBody,
		sampling: doc.AccessLog.Sampling, noRoute: s.registry.Route(""), clusters: names, rates: rates, multiplexed: multiplexed,
	}
	for i := range doc.Listeners {
		if l := &doc.Listeners[i]; !l.L4() {
			t.listeners = append(t.listeners, l.Name)
		}
	}
	if doc.AccessLog.Enabled && s.log != nil {
		t.log = telemetry.NewLogFormat(doc.AccessLog.Fields)
	}
	return t, nil
}

// nameListeners keeps the names that the revision has for its listeners, if a route wants to know them.
func (t *Table) nameListeners(routes []config.Route, all map[*listener]*settings) {
	for i := range routes {
		if len(routes[i].Listeners) == 0 {
			continue
		}
		t.names = make(map[*listener]string, len(all))
		for l, set := range all {
			t.names[l] = set.name
		}
		return
	}
}

// listenerName is what the revision calls the listener that c came to. One that it has no more keeps the name it had.
func (t *Table) listenerName(c *client) string {
	if name, ok := t.names[c.listener]; ok {
		return name
	}
	return c.settings.name
}

// uses tells whether a route of the table leads to the cluster.
func (t *Table) uses(name string) bool { return t.clusters[name] }
