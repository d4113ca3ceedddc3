package mtls

import (
	"crypto/tls"
	"net"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// maxSessions is how many endpoints of a cluster we keep a session of.
const maxSessions = 256

// Client is how the gateway connects to the endpoints of one cluster. All
// methods are safe from any goroutine, also after its revision is gone.
type Client struct {
	settings  config.ClusterTLS
	protocols []string // ALPN
	roots     *source  // nil: the system's
	pair      *source  // nil: we show no certificate

	live atomic.Pointer[clientState]

	// The Set's, guarded by its mu.
	key  string
	uses int
}

// clientState is what connections are made from. It is never changed.
type clientState struct {
	http   *tls.Config
	tunnel *tls.Config // the same without ALPN
}

// newClient makes a client of sources that all hold material.
func newClient(settings config.ClusterTLS, protocols []string, roots, pair *source) *Client {
	c := &Client{settings: settings, protocols: protocols, roots: roots, pair: pair}
	c.publish()
	return c
}

// Config is for one connection to an endpoint (host:port) that carries HTTP.
func (c *Client) Config(address string) *tls.Config {
	return c.endpoint(c.live.Load().http, address)
}

// TunnelConfig is Config for bytes that are not ours to understand: without ALPN,
// since L4 knows nothing of the cluster's protocol.
func (c *Client) TunnelConfig(address string) *tls.Config {
	return c.endpoint(c.live.Load().tunnel, address)
}

// endpoint makes the configuration of one endpoint. It has the name to verify, and its own place in the session cache,
// since one endpoint cannot read another's tickets. A copy costs under a microsecond, a handshake hundreds.
func (c *Client) endpoint(base *tls.Config, address string) *tls.Config {
	own := base.Clone()
	if own.ServerName == "" {
		own.ServerName = host(address)
	}
	own.ClientSessionCache = endpointSessions{base.ClientSessionCache, address}
	return own
}

// publish builds from what the sources hold now. The sessions of before are
// forgotten: they carry our old certificate, or were verified by old roots.
// Only the owner of the Set's mu calls it.
func (c *Client) publish() {
	check := &verifier{protocols: c.protocols, uri: c.settings.PeerURI}
	base := &tls.Config{
		MinVersion:                  tls.VersionTLS12,
		ServerName:                  c.settings.ServerName,
		NextProtos:                  c.protocols,
		ClientSessionCache:          tls.NewLRUClientSessionCache(maxSessions),
		DynamicRecordSizingDisabled: true,
		VerifyConnection:            check.verify,
	}
	if c.roots != nil {
		base.RootCAs = c.roots.onDisk.Content().roots
	}
	check.roots = base.RootCAs // nil: the system's, as everywhere in crypto/x509
	// crypto/tls verifies by host name only. For a URI its verifying is replaced
	// by ours, which, unlike VerifyPeerCertificate, also runs when resumed.
	base.InsecureSkipVerify = c.settings.InsecureSkipVerify || c.settings.PeerURI != ""
	if c.pair != nil {
		pair := c.pair.onDisk.Content().pair
		// Always ours, also if the endpoint names other authorities: its refusal
		// says more than our silence.
		base.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	tunnel := base.Clone()
	tunnel.NextProtos = nil
	tunnel.VerifyConnection = check.verifyPeer
	c.live.Store(&clientState{http: base, tunnel: tunnel})
}

// refreshed is called after a source has new material.
func (c *Client) refreshed() { c.publish() }

// holds tells whether the client is built of this source.
func (c *Client) holds(src *source) bool { return src == c.roots || src == c.pair }

// endpointSessions is one endpoint's place in the cluster's session cache.
type endpointSessions struct {
	all     tls.ClientSessionCache
	address string
}

func (e endpointSessions) Get(key string) (*tls.ClientSessionState, bool) {
	return e.all.Get(e.address + " " + key)
}

func (e endpointSessions) Put(key string, session *tls.ClientSessionState) {
	e.all.Put(e.address+" "+key, session)
}

// host is the part of an endpoint's address that a certificate names.
func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}
