package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/sock"
	"github.com/fabian4/gateway-homebrew-go/sidecar/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// listener accepts the connections of one address. It lives as long as revisions name the address; what they say about it may change.
type listener struct {
	s        *Server
	address  string // as the document has it
	ln       net.Listener
	settings atomic.Pointer[settings]
	stop     context.CancelFunc
	done     chan struct{} // closed when the accept loop has ended
}

// settings are what a revision says about a listener. Immutable; a connection keeps those it was accepted under.
type settings struct {
	name string
	tele *telemetry.Listener
	tls  *mtls.Server // nil: in the clear
}

// open binds the address. It accepts nothing before start.
func (s *Server) open(c *config.Listener) (*listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(s.ctx, "tcp", c.Address)
	if err != nil {
		return nil, fmt.Errorf("listener %q: %w", c.Name, err)
	}
	l := &listener{s: s, address: c.Address, ln: ln, done: make(chan struct{})}
	return l, nil
}

func (s *Server) settings(c *config.Listener, certs *mtls.Prepared) *settings {
	return &settings{name: c.Name, tele: s.registry.Listener(c.Name, telemetry.L7), tls: certs.Server(c.Name)}
}

// start begins to accept; the goroutine ends with close and is waited for there.
func (l *listener) start() {
	ctx, stop := context.WithCancel(l.s.ctx)
	l.stop = stop
	go func() {
		defer close(l.done)
		l.s.limit.Accept(ctx, l.ln, l.accepted, func(err error) {
			l.s.logger.Warn("accept", "listener", l.settings.Load().name, "error", err)
		})
	}()
}

// close stops accepting. Connections that were accepted live on.
func (l *listener) close() {
	if l.stop != nil {
		l.stop()
	}
	_ = l.ln.Close() // it is not needed any more
	if l.stop != nil {
		<-l.done
	}
}

// accepted begins to serve a connection in a goroutine of its own, which ends with the connection and is tracked by the server.
func (l *listener) accepted(nc net.Conn) {
	set := l.settings.Load()
	set.tele.Accepted.Inc()
	set.tele.Active.Inc()
	c := client{listener: l, settings: set, shard: l.s.conns.Add(1)}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		addr := a.AddrPort().Addr().Unmap()
		c.ip = addr.String()
		c.trusted = l.s.trusts(addr)
	}
	if set.tls != nil {
		go l.handshake(nc, c)
		return
	}
	go l.newServer1(nc, c).serve(nil, 0)
}

func (l *listener) newServer1(nc net.Conn, c client) *server1 {
	return &server1{s: l.s, c: c, fresh: true, conn: sock.New(nc, l.s.sweeper, l.s.table.Load().timeouts.Write)}
}

// gone ends a connection that was accepted but never served.
func (l *listener) gone(nc io.Closer, set *settings) {
	_ = nc.Close() // nothing was begun on it
	set.tele.Active.Dec()
	l.s.limit.Release()
}
