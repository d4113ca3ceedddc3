package proxy

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// listener is an address that connections are accepted from, as long as revisions name it.
type listener = netio.Bound[settings]

// settings are what a revision says about a listener. Immutable; a connection keeps those it was accepted under.
type settings struct {
	route.Listener
	tls  *mtls.Server   // nil: in the clear
	from []netip.Prefix // peers that begin with a PROXY header
}

func (s *Server) settings(c *config.Listener, address string, certs *mtls.Prepared) *settings {
	tele := s.engine.Registry.Listener(c.Name, telemetry.L7)
	return &settings{
		Listener: route.Listener{Address: address, Name: c.Name, Telemetry: tele},
		tls:      certs.Server(c.Name), from: c.ProxyProtocol.From,
	}
}

// newListeners makes the set of the server's listeners.
func (s *Server) newListeners(inherit func(address string) *netio.Listener) *netio.ListenerSet[settings] {
	return netio.NewListenerSet(s.ctx, netio.ListenerSetOptions[settings]{
		Limit: s.limit, Same: config.SameAddress, Inherit: inherit, Serve: s.accepted,
		Report: func(l *listener, err error) { s.acceptFailed(l.Settings().Name, err) },
	})
}

// acceptFailed tells of a connection that was not accepted, or has panicked right then.
func (s *Server) acceptFailed(listener string, err error) {
	if p, ok := errors.AsType[*netio.PanicError](err); ok {
		s.engine.PanickedIn(beforeRequest)(p.Value, p.Stack)
		return
	}
	s.engine.Logger.Warn("accept failed", "listener", listener, "error", err)
}

// beforeRequest is what a panic ends where no request has been read yet.
const beforeRequest = "what comes before a request"

// accepted begins to serve a connection in a goroutine of its own, which ends with the connection and is tracked by the
// server.
func (s *Server) accepted(l *listener, nc net.Conn) {
	set := l.Settings()
	set.Telemetry.Accepted.Inc()
	set.Telemetry.Active.Inc()
	c := route.Client{Listener: &set.Listener, Shard: s.conns.Add(1)}
	if addr := netio.Peer(nc).Addr(); addr.IsValid() {
		c.SetAddress(addr, s.trusted)
		if len(set.from) > 0 && netio.Within(set.from, addr) {
			s.arrive(nc, c, set, s.readHeader)
			return
		}
	}
	if set.tls != nil {
		s.arrive(nc, c, set, s.handshake)
		return
	}
	d := s.newConnH1(nc, c)
	if !s.track(d) {
		s.discard(d.Conn, set) // the drain has ended
		return
	}
	go d.serve(nil, 0)
}

// arrive takes from the client, in a goroutine, what comes before HTTP. Like every connection it is tracked before
// that: an accept loop that has ended leaves none behind that a drain does not know of.
func (s *Server) arrive(nc net.Conn, c route.Client, set *settings, take func(*arrival, route.Client, *settings)) {
	a := &arrival{nc: nc}
	if !s.track(a) {
		s.discard(nc, set) // the drain has ended
		return
	}
	go func() {
		defer s.arrivalPanicked(a, &c)
		take(a, c, set)
	}()
}

// arrivalPanicked is deferred around what comes before HTTP. A panic there is a fault of ours, which ends this
// connection and must not end the others. It is counted and logged with its stack.
func (s *Server) arrivalPanicked(a *arrival, c *route.Client) {
	p := recover()
	if p == nil {
		return
	}
	s.engine.PanickedIn(beforeRequest)(p, debug.Stack())
	if s.tracks(a) { // else it has become another connection, or is lost already
		s.lost(a, c)
	}
}

// begin serves HTTP/1.1, from a fresh goroutine, on what has become of an arrival. settled: its client has agreed to
// that by ALPN.
func (s *Server) begin(a *arrival, nc net.Conn, c route.Client, settled bool) {
	d := s.newConnH1(nc, c)
	d.settled = settled
	s.arrived(a, d)
	go d.serve(nil, 0)
}

// readHeader takes the PROXY header first, which a trusted peer has to send: it says who the client is.
func (s *Server) readHeader(a *arrival, c route.Client, set *settings) {
	nc := a.nc
	_ = nc.SetDeadline(time.Now().Add(s.engine.Table().Timeouts.Read)) // a closed connection says so at the read
	h, err := proxyproto.Read(nc)
	if err == nil {
		err = nc.SetDeadline(time.Time{})
	}
	if err != nil {
		if !errors.Is(err, proxyproto.ErrNone) {
			s.engine.Registry.Fault(telemetry.DPE).Inc()
			s.engine.Logger.Debug("PROXY header", "listener", set.Name, "remote", c.IP, "reason", err)
		}
		s.lost(a, &c)
		return
	}
	if h.Known() {
		c.SetAddress(h.Source.Addr(), s.trusted)
	}
	if set.tls != nil {
		s.handshake(a, c, set)
		return
	}
	s.begin(a, nc, c, false)
}

func (s *Server) newConnH1(nc net.Conn, c route.Client) *connH1 {
	d := &connH1{s: s, fresh: true}
	d.Engine, d.Client = s.engine, c
	d.Conn = netio.New(nc, s.engine.Sweeper, s.engine.WriteTimeout())
	return d
}

// discard ends a connection that was accepted but never tracked.
func (s *Server) discard(nc io.Closer, set *settings) {
	_ = nc.Close() // nothing was begun on it
	set.Telemetry.Active.Dec()
	s.limit.Release()
}
