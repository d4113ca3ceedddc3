package l4

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/access"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// listener is an address that connections are accepted from, as long as revisions name it.
type listener = netio.Bound[settings]

// settings are what a revision says about a listener. Immutable, but for what is counted; a connection keeps those it
// was accepted under.
type settings struct {
	name   string
	tele   *telemetry.Listener
	from   []netip.Prefix // peers that have to begin with a PROXY header
	access *access.Rules  // nil: everybody may connect
	tls    *mtls.Server   // nil: not terminated here
	hello  bool           // the bytes are TLS, and the name in them is the route
	route  routes

	greet time.Duration // the client's time for PROXY header, ClientHello and handshake together
	idle  time.Duration // longest time without a byte either way; 0 none
	max   time.Duration // longest life; 0 none

	log      *telemetry.LogFormat // nil: no access log
	sampling float64
	revision string

	faults telemetry.Faults // of connections that were accepted under these very settings
}

func (s *Server) compile(
	c *config.Listener, doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared,
) (*settings, error) {
	set := &settings{
		name: c.Name, tele: s.registry.Listener(c.Name, telemetry.L4), from: c.ProxyProtocol.From,
		access: access.New(c.Allow, c.Deny), tls: certs.Server(c.Name), hello: c.Protocol == config.ProtocolTLS,
		greet: doc.Timeouts.Read, idle: c.IdleTimeout, max: c.MaxDuration,
		sampling: doc.AccessLog.Sampling, revision: doc.Revision,
	}
	names := c.SNI
	if c.Cluster != "" {
		names = []config.SNIRoute{{Host: anyName, Cluster: c.Cluster}}
	}
	for _, n := range names {
		cl := clusters[n.Cluster]
		if cl == nil {
			return nil, fmt.Errorf("cluster %q is not defined", n.Cluster)
		}
		to := set.upstream(cl, doc, certs)
		for _, other := range cl.StandIns() {
			to.failover = append(to.failover, set.upstream(other, doc, certs))
		}
		set.route.add(n.Host, to)
	}
	return set, nil
}

func (set *settings) upstream(c *cluster.Cluster, doc *config.Document, certs *mtls.Prepared) *upstream {
	return &upstream{
		cluster: c, tele: set.tele.Tunnel(c.Name()), tls: certs.Client(c.Name()),
		header: c.Config().ProxyProtocol, connect: doc.Timeouts.Connect,
	}
}

// newListeners makes the set of the server's listeners.
func (s *Server) newListeners(inherit func(address string) *netio.Listener) *netio.ListenerSet[settings] {
	return netio.NewListenerSet(s.ctx, netio.ListenerSetOptions[settings]{
		Limit: s.limit, Same: config.SameAddress, Inherit: inherit, Serve: s.accepted,
		Report: func(l *listener, err error) { s.acceptFailed(l.Settings().name, err) },
	})
}

// acceptFailed tells of a connection that was not accepted, or has panicked right then.
func (s *Server) acceptFailed(listener string, err error) {
	if p, ok := errors.AsType[*netio.PanicError](err); ok {
		s.panicked(p.Value, p.Stack)
		return
	}
	s.logger.Warn("accept failed", "listener", listener, "error", err)
}

// accepted begins to serve a connection in a goroutine of its own, which ends with the connection. It is tracked before
// that: an accept loop that has ended leaves none behind that a drain does not know of.
func (s *Server) accepted(l *listener, nc net.Conn) {
	set := l.Settings()
	set.tele.Accepted.Inc()
	set.tele.Active.Inc()
	ctx, cancel := context.WithCancel(s.ctx)
	c := newConn(s, set, nc, cancel)
	s.track(c)
	go c.serve(ctx)
}
