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
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
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
	route.Listener
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

func (s *Server) settings(c *config.Listener, address string, certs *mtls.Prepared) *settings {
	tele := s.engine.Registry.Listener(c.Name, telemetry.L7)
	return &settings{
		Listener: route.Listener{Address: address, Name: c.Name, Telemetry: tele},
		tls:      certs.Server(c.Name), from: c.ProxyProtocol.From,
	}
}

// start begins to accept.
func (l *listener) start() {
	l.ln.Start(l.s.ctx, l.s.limit, l.accepted, func(err error) {
		l.s.engine.Logger.Warn("accept", "listener", l.settings.Load().Name, "error", err)
	})
}

// accepted begins to serve a connection in a goroutine of its own, which ends with the connection and is tracked by the
// server.
func (l *listener) accepted(nc net.Conn) {
	set := l.settings.Load()
	set.Telemetry.Accepted.Inc()
	set.Telemetry.Active.Inc()
	c := route.Client{Listener: &set.Listener, Shard: l.s.conns.Add(1)}
	if addr := netio.AddrPort(nc.RemoteAddr()).Addr(); addr.IsValid() {
		c.SetAddress(addr, l.s.trusted)
		if len(set.from) > 0 && netio.Within(set.from, addr) {
			l.arrive(nc, c, set, l.greeted)
			return
		}
	}
	if set.tls != nil {
		l.arrive(nc, c, set, l.handshake)
		return
	}
	d := l.newConnH1(nc, c)
	if !l.s.track(d) {
		l.gone(d.Conn, set) // the drain has ended
		return
	}
	go d.serve(nil, 0)
}

// arrive takes from the client, in a goroutine, what comes before HTTP. Like every connection it is tracked before
// that: an accept loop that has ended leaves none behind that a drain does not know of.
func (l *listener) arrive(nc net.Conn, c route.Client, set *settings, take func(*arrival, route.Client, *settings)) {
	a := &arrival{nc: nc}
	if !l.s.track(a) {
		l.gone(nc, set) // the drain has ended
		return
	}
	go take(a, c, set)
}

// begin serves HTTP/1.1, from a fresh goroutine, on what has become of an arrival.
func (l *listener) begin(a *arrival, nc net.Conn, c route.Client) {
	d := l.newConnH1(nc, c)
	l.s.arrived(a, d)
	go d.serve(nil, 0)
}

// greeted takes the PROXY header first, which a trusted peer has to send: it says who the client is.
func (l *listener) greeted(a *arrival, c route.Client, set *settings) {
	nc := a.nc
	_ = nc.SetDeadline(time.Now().Add(l.s.engine.Table().Timeouts.Read)) // a closed connection says so at the read
	h, err := proxyproto.Read(nc)
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		if !errors.Is(err, proxyproto.ErrNone) {
			l.s.engine.Registry.Fault(telemetry.DPE).Inc()
			l.s.engine.Logger.Debug("PROXY header", "listener", set.Name, "remote", c.IP, "reason", err)
		}
		l.s.lost(a, &c)
		return
	}
	if h.Known() {
		c.SetAddress(h.Source.Addr(), l.s.trusted)
	}
	if set.tls != nil {
		l.handshake(a, c, set)
		return
	}
	l.begin(a, nc, c)
}

func (l *listener) newConnH1(nc net.Conn, c route.Client) *connH1 {
	d := &connH1{s: l.s, fresh: true}
	d.Engine, d.Client = l.s.engine, c
	d.Conn = netio.New(nc, l.s.engine.Sweeper, l.s.engine.WriteTimeout())
	return d
}

// gone ends a connection that was accepted but never served.
func (l *listener) gone(nc io.Closer, set *settings) {
	_ = nc.Close() // nothing was begun on it
	set.Telemetry.Active.Dec()
	l.s.limit.Release()
}
