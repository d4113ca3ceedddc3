package mtls

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Prepared is what one revision uses of a Set.
type Prepared struct {
	set     *Set
	servers map[string]*Server // by listener
	clients map[string]*Client // by cluster
	// +checklocks:set.mu
	closed bool
}

// Server is for the listener of this name; nil if it does not terminate TLS.
func (p *Prepared) Server(listener string) *Server { return p.servers[listener] }

// Client is for the cluster of this name; nil if it is not connected to by TLS.
func (p *Prepared) Client(cluster string) *Client { return p.clients[cluster] }

// Close gives up what no other revision uses: its files are no longer watched.
// Servers and clients that are still at work go on with what they have. Call it
// when the next revision serves, or when this one is not going to. A second call
// does nothing.
func (p *Prepared) Close() {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.set.release(p)
	p.set.follow()
}

// server finds or makes the server of a listener.
//
// +checklocks:s.mu
func (s *Set) server(l *config.Listener, path string) (*Server, error) {
	protocols := s.protocols
	if l.L4() {
		protocols = nil
	}
	// %#v writes every field with its name, so equal texts are equal settings.
	key := fmt.Sprintf("%q %q %#v", l.Name, protocols, l.TLS)
	if known, ok := s.servers[key]; ok {
		known.uses++
		return known, nil
	}
	var problems []error
	var pairs []*source
	for i, c := range l.TLS.Certificates {
		src, err := s.source(sourceKey{pairKind, c.CertFile, c.KeyFile})
		if err != nil {
			problems = append(problems, fmt.Errorf("%s.certificates[%d]: %w", path, i, err))
			continue
		}
		pairs = append(pairs, src)
	}
	var roots *source
	if clientAuth(l.TLS) != tls.NoClientCert {
		src, err := s.source(sourceKey{rootsKind, l.TLS.ClientCAFile, ""})
		if err != nil {
			problems = append(problems, fmt.Errorf("%s.client_ca_file: %w", path, err))
		}
		roots = src
	}
	if len(problems) > 0 {
		s.drop(append(pairs, roots)...)
		return nil, errors.Join(problems...)
	}
	tickets := s.tickets(l.Name, ruleOf(l.TLS, roots))
	server := newServer(l.TLS, protocols, pairs, roots, tickets)
	server.name, server.key, server.uses = l.Name, key, 1
	s.servers[key] = server
	return server, nil
}

// tickets are those of the same listener in another revision, if its rule for
// clients was the same; else new ones.
//
// +checklocks:s.mu
func (s *Set) tickets(listener string, rule clientRule) *tls.Config {
	for _, server := range s.servers {
		if state := server.live.Load(); server.name == listener && state.rule == rule {
			return state.tickets
		}
	}
	return newTickets()
}

// client finds or makes the client of a cluster.
//
// +checklocks:s.mu
func (s *Set) client(c *config.Cluster, path string) (*Client, error) {
	key := fmt.Sprintf("%q %q %#v", c.Name, c.Protocol, c.TLS)
	if known, ok := s.clients[key]; ok {
		known.uses++
		return known, nil
	}
	var problems []error
	if c.TLS.PeerURI != "" {
		if err := checkURI(c.TLS.PeerURI); err != nil {
			problems = append(problems, fmt.Errorf("%s.peer_uri: %w", path, err))
		}
		if c.TLS.InsecureSkipVerify {
			problems = append(problems, fmt.Errorf("%s: peer_uri and insecure_skip_verify exclude each other", path))
		}
	}
	var roots, pair *source
	var err error
	if c.TLS.CAFile != "" {
		if roots, err = s.source(sourceKey{rootsKind, c.TLS.CAFile, ""}); err != nil {
			problems = append(problems, fmt.Errorf("%s.ca_file: %w", path, err))
		}
	}
	if c.TLS.Mode == config.TLSMutual {
		if pair, err = s.source(sourceKey{pairKind, c.TLS.CertFile, c.TLS.KeyFile}); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", path, err))
		}
	}
	if len(problems) > 0 {
		s.drop(roots, pair)
		return nil, errors.Join(problems...)
	}
	client := newClient(c.TLS, clientProtocols(c.Protocol), roots, pair)
	client.key, client.uses = key, 1
	s.clients[key] = client
	return client, nil
}

// clientProtocols is the ALPN list for a cluster's protocol.
func clientProtocols(protocol string) []string {
	switch protocol {
	case config.ProtocolHTTP2:
		return []string{"h2"}
	case config.ProtocolAuto:
		return []string{"h2", "http/1.1"}
	case config.ProtocolTCP:
		return nil
	}
	return []string{"http/1.1"}
}

// source finds or reads a source, and counts one use.
//
// +checklocks:s.mu
func (s *Set) source(key sourceKey) (*source, error) {
	if known, ok := s.sources[key]; ok {
		known.uses++
		return known, nil
	}
	src := &source{sourceKey: key, uses: 1}
	src.refresh(time.Now())
	if src.onDisk.Err() != nil {
		return nil, src.onDisk.Err()
	}
	s.sources[key] = src
	return src, nil
}

// drop gives back one use of each source; a nil is passed over.
//
// +checklocks:s.mu
func (s *Set) drop(sources ...*source) {
	for _, src := range sources {
		if src == nil {
			continue
		}
		if src.uses--; src.uses == 0 {
			delete(s.sources, src.sourceKey)
		}
	}
}

// release gives back what a revision holds.
//
// +checklocks:s.mu
func (s *Set) release(p *Prepared) {
	for _, server := range p.servers {
		if server.uses--; server.uses == 0 {
			delete(s.servers, server.key)
			s.drop(append(server.pairs, server.roots)...)
		}
	}
	for _, client := range p.clients {
		if client.uses--; client.uses == 0 {
			delete(s.clients, client.key)
			s.drop(client.roots, client.pair)
		}
	}
}
