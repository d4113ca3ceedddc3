package mtls

import (
	"crypto/tls"
	"slices"
	"sync/atomic"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Server is how one listener proves itself, and whom it lets in. All methods are safe from any goroutine, also after
// the revision that made it is gone. It then goes on with the certificates that it had.
type Server struct {
	name      string // of the listener
	settings  config.ListenerTLS
	protocols []string  // ALPN, in order of preference; none = no ALPN
	pairs     []*source // in the order of the document
	roots     *source   // nil: no client certificates

	front *tls.Config // the same for ever; asks live at each handshake
	live  atomic.Pointer[serverState]

	// The Set's, guarded by its mu.
	key  string
	uses int
}

// serverState is all that a handshake needs, built before it is published. It is
// never changed.
type serverState struct {
	config  *tls.Config
	chooser *chooser
	rule    clientRule
	tickets *tls.Config
}

// clientRule is how clients prove themselves. A ticket lets a client in without proving itself again, so ticket keys
// exist as long as a rule. A client whose ticket was made under another one, or against other roots, shows its
// certificate again.
type clientRule struct {
	auth  tls.ClientAuthType
	trust *material // the roots; nil if nobody is asked
}

func ruleOf(settings config.ListenerTLS, roots *source) clientRule {
	rule := clientRule{auth: clientAuth(settings)}
	if roots != nil {
		rule.trust = roots.onDisk.Content()
	}
	return rule
}

// newTickets makes ticket keys. crypto/tls makes a new key each day, of which
// tickets are good for seven. A tls.Config of its own serves as the holder,
// since those of the handshakes are replaced.
func newTickets() *tls.Config { return &tls.Config{} }

// newServer makes a server of sources that all hold material.
func newServer(
	settings config.ListenerTLS, protocols []string, pairs []*source, roots *source, tickets *tls.Config,
) *Server {
	s := &Server{settings: settings, protocols: protocols, pairs: pairs, roots: roots}
	s.front = &tls.Config{
		MinVersion:                  minVersion(settings.MinVersion),
		DynamicRecordSizingDisabled: true,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			if err := helloCame(hello.Context()); err != nil {
				return nil, err
			}
			return s.live.Load().config, nil
		},
	}
	s.publish(tickets)
	return s
}

// ServerConfig is for tls.Server. It is always the same, and what it serves is
// always the newest: every handshake reads one pointer.
func (s *Server) ServerConfig() *tls.Config { return s.front }

// publish builds what the sources hold now and serves it from the next handshake
// on. Only the owner of the Set's mu calls it.
func (s *Server) publish(tickets *tls.Config) {
	pairs := make([]*tls.Certificate, len(s.pairs))
	for i, p := range s.pairs {
		pairs[i] = p.onDisk.Content().pair
	}
	next := &serverState{chooser: newChooser(pairs), rule: ruleOf(s.settings, s.roots), tickets: tickets}
	next.config = &tls.Config{
		MinVersion:                  minVersion(s.settings.MinVersion),
		NextProtos:                  s.protocols,
		GetCertificate:              next.chooser.choose,
		ClientAuth:                  next.rule.auth,
		DynamicRecordSizingDisabled: true,
		WrapSession:                 tickets.EncryptTicket,
		UnwrapSession:               tickets.DecryptTicket,
	}
	if next.rule.trust != nil {
		next.config.ClientCAs = next.rule.trust.roots
	}
	s.live.Store(next)
}

// refreshed is called after a source has new material. New certificates of ours
// change nothing about what a ticket says of its client; new roots do.
func (s *Server) refreshed() {
	tickets := s.live.Load().tickets
	if s.live.Load().rule != ruleOf(s.settings, s.roots) {
		tickets = newTickets()
	}
	s.publish(tickets)
}

// holds tells whether the server is built of this source.
func (s *Server) holds(src *source) bool {
	return src == s.roots || slices.Contains(s.pairs, src)
}

// clientAuth is require if there is a CA file and nothing else is said.
func clientAuth(t config.ListenerTLS) tls.ClientAuthType {
	switch {
	case t.ClientCAFile == "" || t.ClientAuth == config.ClientAuthNone:
		return tls.NoClientCert
	case t.ClientAuth == config.ClientAuthOptional:
		return tls.VerifyClientCertIfGiven
	}
	return tls.RequireAndVerifyClientCert
}

func minVersion(v string) uint16 {
	if v == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}
