package mtls

import (
	"crypto/tls"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// chooser finds a listener's certificate for a server name. It never changes.
type chooser struct {
	exact    map[string][]*tls.Certificate // in the order of the document
	wildcard map[string][]*tls.Certificate // by what follows the star: ".example.com"
	other    []*tls.Certificate            // no name sent, or one that no certificate has
}

// newChooser indexes one or more certificates. Where several have one name, such
// as one with an RSA and one with an ECDSA key, the client's abilities decide.
func newChooser(pairs []*tls.Certificate) *chooser {
	c := &chooser{exact: map[string][]*tls.Certificate{}, wildcard: map[string][]*tls.Certificate{}}
	for _, pair := range pairs {
		for _, name := range serverNames(pair) {
			if suffix, ok := config.WildcardSuffix(name); ok {
				c.wildcard[suffix] = append(c.wildcard[suffix], pair)
			} else {
				c.exact[name] = append(c.exact[name], pair)
			}
		}
	}
	c.other = pairs[:1]
	if names := serverNames(pairs[0]); len(names) > 0 {
		c.other = c.named(names[0])
	}
	return c
}

// serverNames are the names under which clients may ask for a certificate: the
// subject's common name only if there is no other name at all.
func serverNames(pair *tls.Certificate) []string {
	leaf := pair.Leaf
	names := leaf.DNSNames
	if len(names)+len(leaf.URIs)+len(leaf.IPAddresses) == 0 && leaf.Subject.CommonName != "" {
		names = []string{leaf.Subject.CommonName}
	}
	lower := make([]string, len(names))
	for i, n := range names {
		lower[i] = strings.ToLower(strings.TrimSuffix(n, "."))
	}
	return lower
}

// named is what is filed under a name that may itself begin with a star.
func (c *chooser) named(name string) []*tls.Certificate {
	if suffix, ok := config.WildcardSuffix(name); ok {
		return c.wildcard[suffix]
	}
	return c.exact[name]
}

// candidates are the certificates for a server name, at least one. They are those that have it, else those whose star
// stands for its first label, else the first.
func (c *chooser) candidates(serverName string) []*tls.Certificate {
	name := strings.ToLower(serverName)
	if found := c.exact[name]; len(found) > 0 {
		return found
	}
	if dot := config.NextSuffix(name, 0); dot > 0 && name[0] != '.' {
		if found := c.wildcard[name[dot:]]; len(found) > 0 {
			return found
		}
	}
	return c.other
}

// choose is the GetCertificate of a listener's tls.Config.
func (c *chooser) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	found := c.candidates(hello.ServerName)
	if len(found) == 1 {
		return found[0], nil
	}
	// The name is settled, and may be one that no certificate has: ask only
	// about keys and signatures.
	nameless := *hello
	nameless.ServerName = ""
	for _, pair := range found {
		if nameless.SupportsCertificate(pair) == nil {
			return pair, nil
		}
	}
	return found[0], nil
}
