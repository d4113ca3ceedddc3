package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/access"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/internal/proxyproto"
	"github.com/fabian4/gateway-homebrew-go/mtls"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// greet takes from the client what has to come before its bytes can be forwarded, all of it within one deadline, and
// finds the cluster. It reports whether the connection goes on.
func (c *conn) greet(ctx context.Context) bool {
	trusted := len(c.set.from) > 0 && netio.Within(c.set.from, c.client.who.Source.Addr())
	awaits := trusted || c.set.tls != nil || c.set.hello // something of the client
	by := c.start.Add(c.set.greet)
	switch {
	case awaits && !c.deadline(by),
		trusted && !c.readHeader(),
		!c.may(c.set.access.Source(c.client.who.Source.Addr())), // first: it costs no handshake
		c.set.tls != nil && !c.handshake(ctx, by),
		!c.may(c.set.access.Identity(c.client.names)),
		c.set.hello && !c.sniff(),
		awaits && !c.deadline(time.Time{}):
		return false
	}
	to := c.set.route.find(c.client.name)
	if to == nil {
		c.noRoute()
		return false
	}
	c.attempt.to = to.serving()
	return true
}

// may reports whether the client may use the listener, as far as that was asked; one that may not is refused.
func (c *conn) may(why access.Refusal) bool {
	if why == access.None {
		return true
	}
	c.cause = why
	c.stop(telemetry.AC)
	return false
}

// readHeader takes the PROXY header of a trusted peer, who has to send one.
func (c *conn) readHeader() bool {
	h, err := proxyproto.Read(c.socket)
	switch {
	case err != nil:
		c.refuse("PROXY header", err, errors.Is(err, proxyproto.ErrNone))
		return false
	case h.Known():
		c.client.who = h
	}
	return true
}

// handshake makes a TLS session with the client.
func (c *conn) handshake(ctx context.Context, by time.Time) bool {
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	tc := tls.Server(unhurried{c.socket}, c.set.tls.ServerConfig())
	// Its ctx hides the end of ours, at which it would close the socket, where the client may have to see a reset. The
	// socket's deadline ends it.
	err := c.s.handshakes.Do(ctx, context.WithoutCancel(ctx), tc)
	state := tc.ConnectionState()
	if err != nil {
		reason := mtls.Reason(err)
		c.set.tele.HandshakeFailed(state.Version, reason)
		if mtls.Alerted(err) && c.deadline(time.Now().Add(netio.LingerFor)) {
			netio.Linger(c.socket)
		}
		c.refuse("TLS handshake", errors.New(reason), errors.Is(err, io.EOF))
		return false
	}
	c.set.tele.Handshake(state.Version)
	c.down = tc
	c.client.tlsVersion = mtls.VersionName(state.Version)
	c.client.identity, c.client.names = mtls.Identity(&state), mtls.Names(&state)
	return true
}

// unhurried is a socket under TLS. crypto/tls gives its close_notify five seconds to leave, and breaks the connection
// if a reader takes longer to make room for it. How long is too long is for the watch to say.
type unhurried struct{ net.Conn }

func (unhurried) SetWriteDeadline(time.Time) error { return nil }

// refuse ends a connection whose beginning was wrong. A client that left before it sent anything, as the checks of
// balancers do, did nothing wrong.
func (c *conn) refuse(what string, err error, silent bool) {
	if silent || errors.Is(err, syscall.ECONNRESET) {
		c.stop(telemetry.DC)
		return
	}
	c.cause = fmt.Errorf("%s: %w", what, err)
	c.s.logger.Debug("connection refused", "listener", c.set.name, "remote", c.client.who.Source,
		"at", what, "reason", err)
	c.stop(telemetry.DPE)
}

// unrecognizedName is the TLS alert of that name (RFC 8446 section 6.2), in the clear as all is before the ServerHello.
const unrecognizedName = "\x15\x03\x03\x00\x02\x02\x70"

// noRoute tells a TLS client that nobody here has the name it asks for.
func (c *conn) noRoute() {
	if c.deadline(time.Now().Add(time.Second)) {
		_, _ = io.WriteString(c.socket, unrecognizedName) // a closed connection says it less clearly
	}
	c.stop(telemetry.NR)
}
