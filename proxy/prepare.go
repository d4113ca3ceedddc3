package proxy

import (
	"runtime"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/passwords"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/forward"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
)

// Plan is a revision that is ready to serve: its table is compiled and its new listeners are bound. Commit or Abort it.
type Plan struct {
	s         *Server
	table     *route.Table
	listeners *netio.ListenerPlan[settings]
	probes    map[*cluster.Cluster]cluster.Probe // of active checks
	passwords *passwords.Prepared
}

// Prepare does all of a revision that can go wrong. Nothing of it is visible yet. clusters has every cluster of doc,
// certs what it needs for TLS. Prepare, Commit and Abort belong to one goroutine.
func (s *Server) Prepare(
	doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared,
) (*Plan, error) {
	wanted, names := make([]netio.Wanted[settings], len(doc.Listeners)), map[string]string{}
	for i := range doc.Listeners {
		c := &doc.Listeners[i]
		wanted[i] = netio.Wanted[settings]{Name: c.Name, Address: c.Address}
		if c.L4() {
			continue
		}
		key := s.listeners.Key(c.Name, c.Address)
		wanted[i].Settings = s.settings(c, key, certs)
		names[key] = c.Name
	}
	files, err := s.passwords.Prepare(doc)
	if err != nil {
		return nil, err
	}
	previous, processors := s.engine.Table(), 1
	if previous == nil { // nothing is served yet
		processors = runtime.GOMAXPROCS(0) //nolint:forbidigo // it is read, not set
	}
	table, err := route.Compile(route.Options{
		Document: doc, Upstreams: s.upstreams(doc, clusters, certs), Registry: s.engine.Registry, Trusted: s.trusted,
		AccessLog: s.engine.Log != nil, Listeners: names, Previous: previous, Processors: processors,
		Service: s.service, Instance: s.instance, Passwords: files, Recent: s.recent,
	})
	if err != nil {
		files.Close()
		return nil, err
	}
	listeners, err := s.listeners.Prepare(wanted)
	if err != nil {
		files.Close()
		return nil, err
	}
	return &Plan{
		s: s, table: table, listeners: listeners, probes: s.probes(clusters, certs), passwords: files,
	}, nil
}

// Table is that of the revision, which outlives the plan.
func (p *Plan) Table() *route.Table { return p.table }

// Replay tells what the revision would make of recent requests.
func (p *Plan) Replay() route.Replayed {
	serves := p.s.engine.Table()
	if serves == nil {
		return route.Replayed{}
	}
	return p.s.recent.Replay(serves, p.table)
}

// upstreams are the clusters that speak HTTP, as the routes of the revision use them.
func (s *Server) upstreams(
	doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared,
) map[string]*route.Upstream {
	all := make(map[string]*route.Upstream, len(clusters))
	for name, c := range clusters {
		if c.Config().Protocol == config.ProtocolTCP {
			continue
		}
		up := &route.Upstream{
			Cluster: c, Protocol: c.Config().Protocol, Connect: doc.Timeouts.Connect, Budget: s.budget(name),
			Copies:   s.copiesOf(name),
			Failures: route.CompileFailureStatuses(&c.Config().PassiveHealth),
			Hash:     route.CompileHash(c.Config()), Dial: s.dial, Scheme: forward.SchemeHTTP,
		}
		if tc := certs.Client(name); tc != nil {
			up.Dial, up.Scheme = tc.Dialer(netio.Corked(s.dial)), forward.SchemeHTTPS
		}
		if name == s.queued {
			up.Queue = s.queue
		}
		all[name] = up
	}
	for _, up := range all {
		for _, other := range up.Cluster.StandIns() {
			up.Failover = append(up.Failover, all[other.Name()])
		}
	}
	return all
}

func (s *Server) budget(name string) *cluster.RetryBudget {
	if s.budgets[name] == nil {
		s.budgets[name] = new(cluster.RetryBudget)
	}
	return s.budgets[name]
}

func (s *Server) copiesOf(name string) *route.Copies {
	if s.copies[name] == nil {
		s.copies[name] = new(route.Copies)
	}
	return s.copies[name]
}

// Commit makes the revision visible: one store. Requests in flight finish by the table they began with. Listeners
// that it does not name stop accepting; their connections live on.
func (p *Plan) Commit() {
	s := p.s
	p.listeners.Update()
	s.engine.SetTable(p.table)
	for c, probe := range p.probes {
		c.Check(s.ctx, probe)
	}
	p.listeners.Serve()
	for name := range s.budgets {
		if !p.table.Uses(name) {
			delete(s.budgets, name)
			delete(s.copies, name)
		}
	}
	if s.asked != nil {
		s.asked.Close()
	}
	s.asked = p.passwords
}

// Abort closes what Prepare has opened. The old revision never noticed.
func (p *Plan) Abort() {
	p.listeners.Abort()
	p.passwords.Close()
}

// probes are those of the active checks.
func (s *Server) probes(clusters map[string]*cluster.Cluster, certs *mtls.Prepared) map[*cluster.Cluster]cluster.Probe {
	if s.health == nil {
		return nil
	}
	return s.health.Probes(clusters, certs)
}
