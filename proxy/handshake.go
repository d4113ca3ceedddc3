package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// handshakeTime is the longest that a client may take for its part of a TLS handshake.
const handshakeTime = 10 * time.Second

// plainOnTLS is the response to a request in the clear on a port that speaks TLS.
const plainOnTLS = "HTTP/1.1 400 Bad Request\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\nConnection: close\r\n\r\n" +
	"this port speaks TLS, the request came in plain\n"

// handshake makes a TLS session and then serves it from a fresh goroutine: the deep stack of the handshake ends with
// this one.
func (s *Server) handshake(a *arrival, c route.Client, set *settings) {
	nc := a.nc
	ctx, cancel := context.WithTimeout(s.ctx, handshakeTime)
	defer cancel()
	tc := tls.Server(netio.NewCork(nc), set.tls.ServerConfig())
	err := s.handshakes.Do(ctx, ctx, tc)
	state := tc.ConnectionState()
	if err != nil {
		reason := mtls.Reason(err)
		set.Telemetry.HandshakeFailed(state.Version, reason)
		s.engine.Logger.Debug("handshake failed", "listener", set.Name, "remote", nc.RemoteAddr(), "reason", reason)
		_ = nc.SetDeadline(time.Now().Add(netio.LingerFor)) // a closed connection needs no response
		switch {
		case mtls.PlainHTTP(err):
			replyPlain(nc)
		case mtls.Alerted(err):
			netio.Linger(nc)
		}
		s.lost(a, &c)
		return
	}
	set.Telemetry.Handshake(state.Version)
	c.Scheme = telemetry.SchemeHTTPS
	c.TLS = &route.TLSClient{
		Version: mtls.VersionName(state.Version), Identity: mtls.Identity(&state), Names: mtls.Names(&state),
		Cert: []byte(set.tls.ForwardedCert(&state)),
	}
	if state.NegotiatedProtocol == "h2" {
		go s.serveHTTP2(a, netio.New(tc, s.engine.Sweeper, s.engine.WriteTimeout()), c)
		return
	}
	s.begin(a, tc, c, state.NegotiatedProtocol == "http/1.1")
}

// replyPlain tells a client that does not speak TLS.
func replyPlain(nc net.Conn) {
	if _, err := io.WriteString(nc, plainOnTLS); err == nil {
		netio.Linger(nc)
	}
}
