package proxy

import (
	"slices"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// Plan is a revision that is ready to serve: its table is compiled and its new listeners are bound. Commit or Abort it.
type Plan struct {
	s        *Server
	table    *route.Table
	keep     map[string]*listener // by address: every listener of the revision
	opened   []*listener          // those that are new
	settings map[*listener]*settings
	probes   map[*cluster.Cluster]cluster.Probe // of active checks
}

// Prepare does all of a revision that can go wrong; nothing of it is visible yet. clusters has every cluster of doc,
// certs what it needs for TLS. Prepare, Commit and Abort belong to one goroutine.
func (s *Server) Prepare(doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) (*Plan, error) {
	p := &Plan{s: s, keep: map[string]*listener{}, settings: map[*listener]*settings{}, probes: s.probes(clusters, certs)}
	if err := p.prepare(doc, clusters, certs); err != nil {
		p.Abort()
		return nil, err
	}
	return p, nil
}

func (p *Plan) prepare(doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) (err error) {
	s, names := p.s, map[string]string{}
	for i := range doc.Listeners {
		c := &doc.Listeners[i]
		if c.L4() {
			continue
		}
		l := s.find(c.Address)
		if l == nil {
			if l, err = s.open(c, s.leavers(doc)); err != nil {
				return err
			}
			p.opened = append(p.opened, l)
		}
		p.keep[l.address] = l
		p.settings[l] = s.settings(c, l.address, certs)
		names[l.address] = c.Name
	}
	p.table, err = route.Compile(route.Options{
		Document: doc, Upstreams: s.upstreams(doc, clusters, certs), Registry: s.engine.Registry, Trusted: s.trusted,
		AccessLog: s.engine.Log != nil, Listeners: names, Previous: s.engine.Table(),
	})
	return err
}

// upstreams are the clusters that speak HTTP, as the routes of the revision use them.
func (s *Server) upstreams(doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) map[string]*route.Upstream {
	all := make(map[string]*route.Upstream, len(clusters))
	for name, c := range clusters {
		if c.Config().Protocol == config.ProtocolTCP {
			continue
		}
		up := &route.Upstream{
			Cluster: c, Protocol: c.Config().Protocol, Connect: doc.Timeouts.Connect, Budget: s.budget(name), Dial: s.dial,
			Scheme: forward.SchemeHTTP,
		}
		if tc := certs.Client(name); tc != nil {
			up.Dial, up.Scheme = tc.Dialer(netio.Corked(s.dial)), forward.SchemeHTTPS
		}
		if name == s.queued {
			up.Queue = s.queue
		}
		all[name] = up
	}
	return all
}

func (s *Server) budget(name string) *cluster.RetryBudget {
	if s.budgets[name] == nil {
		s.budgets[name] = new(cluster.RetryBudget)
	}
	return s.budgets[name]
}

// leavers are the sockets of the listeners that doc does not name.
func (s *Server) leavers(doc *config.Document) []*netio.Listener {
	var all []*netio.Listener
	for _, l := range *s.listeners.Load() {
		if !slices.ContainsFunc(doc.Listeners, func(c config.Listener) bool { return config.SameAddress(c.Address, l.address) }) {
			all = append(all, l.ln)
		}
	}
	return all
}

// find returns the listener that is bound to the address already, however it is written.
func (s *Server) find(address string) *listener {
	for a, l := range *s.listeners.Load() {
		if config.SameAddress(a, address) {
			return l
		}
	}
	return nil
}

// Commit makes the revision visible: one store. Requests in flight finish by the table they began with. Listeners
// that it does not name stop accepting; their connections live on.
func (p *Plan) Commit() {
	s := p.s
	for l, set := range p.settings {
		l.settings.Store(set)
	}
	s.engine.SetTable(p.table)
	for c, probe := range p.probes {
		c.Check(s.ctx, probe)
	}
	for _, l := range p.opened {
		l.start()
	}
	for address, l := range *s.listeners.Swap(&p.keep) {
		if p.keep[address] == nil {
			l.ln.Close()
		}
	}
	for name := range s.budgets {
		if !p.table.Uses(name) {
			delete(s.budgets, name)
		}
	}
}

// Abort closes what Prepare has opened. The old revision never noticed.
func (p *Plan) Abort() {
	for _, l := range p.opened {
		l.ln.Close()
	}
}

// probes are those of the active checks.
func (s *Server) probes(clusters map[string]*cluster.Cluster, certs *mtls.Prepared) map[*cluster.Cluster]cluster.Probe {
	if s.health == nil {
		return nil
	}
	return s.health.Probes(clusters, certs)
}
