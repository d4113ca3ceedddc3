package l4

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// listener accepts the connections of one address. It lives as long as revisions name the address; what they say about
// it may change.
type listener struct {
	s        *Server
	key      string
	ln       *netio.Listener
	settings atomic.Pointer[settings]
}

// settings are what a revision says about a listener. Immutable; a connection keeps those it was accepted under.
type settings struct {
	name  string
	tele  *telemetry.Listener
	from  []netip.Prefix // peers that have to begin with a PROXY header
	tls   *mtls.Server   // nil: not terminated here
	hello bool           // the bytes are TLS, and the name in them is the route
	route routes

	greet time.Duration // the client's time for PROXY header, ClientHello and handshake together
	idle  time.Duration // longest time without a byte either way; 0 none
	max   time.Duration // longest life; 0 none

	log      *telemetry.LogFormat // nil: no access log
	sampling float64
	revision string
}

func (s *Server) compile(c *config.Listener, doc *config.Document, clusters map[string]*cluster.Cluster, certs *mtls.Prepared) (*settings, error) {
	set := &settings{
		name: c.Name, tele: s.registry.Listener(c.Name, telemetry.L4), from: c.ProxyProtocol.From, tls: certs.Server(c.Name),
		hello: c.Protocol == config.ProtocolTLS, greet: doc.Timeouts.Read, idle: c.IdleTimeout, max: c.MaxDuration,
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
		set.route.add(n.Host, &upstream{
			cluster: cl, tele: set.tele.Tunnel(n.Cluster), tls: certs.Client(n.Cluster), header: cl.Config().ProxyProtocol, connect: doc.Timeouts.Connect,
		})
	}
	return set, nil
}

// bind binds the address, if need be beside leavers, which are about to be closed. It accepts nothing before start.
func (s *Server) bind(c *config.Listener, leavers []*netio.Listener) (*listener, error) {
	var ln *netio.Listener
	if s.inherit != nil {
		ln = s.inherit(c.Address)
	}
	if ln == nil {
		var err error
		if ln, err = netio.Listen(s.ctx, c.Address, leavers); err != nil {
			return nil, fmt.Errorf("listener %q: %w", c.Name, err)
		}
	}
	return &listener{s: s, key: key(c), ln: ln}, nil
}

// start begins to accept.
func (l *listener) start() {
	l.ln.Start(l.s.ctx, l.s.limit, l.accepted, func(err error) {
		l.s.logger.Warn("accept", "listener", l.settings.Load().name, "error", err)
	})
}

// accepted begins to serve a connection in a goroutine of its own, which ends with the connection. It is tracked before
// that: an accept loop that has ended leaves none behind that a drain does not know of.
func (l *listener) accepted(nc net.Conn) {
	set := l.settings.Load()
	set.tele.Accepted.Inc()
	set.tele.Active.Inc()
	ctx, cancel := context.WithCancel(l.s.ctx)
	c := newConn(l.s, set, nc, cancel)
	l.s.track(c)
	go c.serve(ctx)
}
