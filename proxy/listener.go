package proxy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// listener accepts the connections of one address. It lives as long as revisions name the address; what they say about
// it may change.
type listener struct {
	s        *Server
	address  string // as the document has it
	ln       *netio.Listener
	settings atomic.Pointer[settings]
}

// settings are what a revision says about a listener. Immutable; a connection keeps those it was accepted under.
type settings struct {
	name string
	tele *telemetry.Listener
	tls  *mtls.Server   // nil: in the clear
	from []netip.Prefix // peers that begin with a PROXY header
}

// open binds the address, if need be beside leavers, which are about to be closed. It accepts nothing before start.
func (s *Server) open(c *config.Listener, leavers []*netio.Listener) (*listener, error) {
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
	return &listener{s: s, address: c.Address, ln: ln}, nil
}

func (s *Server) settings(c *config.Listener, certs *mtls.Prepared) *settings {
	return &settings{name: c.Name, tele: s.registry.Listener(c.Name, telemetry.L7), tls: certs.Server(c.Name), from: c.ProxyProtocol.From}
}

// start begins to accept.
func (l *listener) start() {
	l.ln.Start(l.s.ctx, l.s.limit, l.accepted, func(err error) {
		l.s.logger.Warn("accept", "listener", l.settings.Load().name, "error", err)
	})
}

// accepted begins to serve a connection in a goroutine of its own, which ends with the connection and is tracked by the
// server.
func (l *listener) accepted(nc net.Conn) {
	set := l.settings.Load()
	set.tele.Accepted.Inc()
	set.tele.Active.Inc()
	c := client{listener: l, settings: set, shard: l.s.conns.Add(1)}
	if addr := netio.AddrPort(nc.RemoteAddr()).Addr(); addr.IsValid() {
		l.s.name(&c, addr)
		if len(set.from) > 0 && netio.Within(set.from, addr) {
			l.arrive(nc, c, l.greeted)
			return
		}
	}
	if set.tls != nil {
		l.arrive(nc, c, l.handshake)
		return
	}
	d := l.newServer1(nc, c)
	if !l.s.track(d) {
		l.gone(d.conn, set) // the drain has ended
		return
	}
	go d.serve(nil, 0)
}

// arrive takes from the client, in a goroutine, what comes before HTTP. Like every connection it is tracked before
// that: an accept loop that has ended leaves none behind that a drain does not know of.
func (l *listener) arrive(nc net.Conn, c client, take func(*arrival, client)) {
	a := &arrival{nc: nc}
	if !l.s.track(a) {
		l.gone(nc, c.settings) // the drain has ended
		return
	}
	go take(a, c)
}

// begin serves HTTP/1.1, from a fresh goroutine, on what has become of an arrival.
func (l *listener) begin(a *arrival, nc net.Conn, c client) {
	d := l.newServer1(nc, c)
	l.s.arrived(a, d)
	go d.serve(nil, 0)
}

// greeted takes the PROXY header first, which a trusted peer has to send: it says who the client is.
func (l *listener) greeted(a *arrival, c client) {
	nc := a.nc
	_ = nc.SetDeadline(time.Now().Add(l.s.table.Load().timeouts.Read)) // a closed connection says so at the read
	h, err := proxyproto.Read(nc)
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		if !errors.Is(err, proxyproto.ErrNone) {
			l.s.registry.Fault(telemetry.DPE).Inc()
			l.s.logger.Debug("PROXY header", "listener", c.settings.name, "remote", c.ip, "reason", err)
		}
		l.s.lost(a, &c)
		return
	}
	if h.Known() {
		l.s.name(&c, h.Source.Addr().Unmap())
	}
	if c.settings.tls != nil {
		l.handshake(a, c)
		return
	}
	l.begin(a, nc, c)
}

func (l *listener) newServer1(nc net.Conn, c client) *server1 {
	return &server1{s: l.s, c: c, fresh: true, conn: netio.New(nc, l.s.sweeper, l.s.table.Load().timeouts.Write)}
}

// gone ends a connection that was accepted but never served.
func (l *listener) gone(nc io.Closer, set *settings) {
	_ = nc.Close() // nothing was begun on it
	set.tele.Active.Dec()
	l.s.limit.Release()
}
