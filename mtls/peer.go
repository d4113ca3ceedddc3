package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/identity"
)

// maxForwardedBytes bounds a client's line in X-Forwarded-Client-Cert. A
// certificate may carry thousands of names, and upstreams refuse long heads.
const maxForwardedBytes = 4 << 10

// Identity is who the other side has proved to be, for the access log. That is its SPIFFE URI, else its first URI, DNS
// name, e-mail address or IP address, else its subject. It is empty if nothing was proved. The text is printable
// ASCII.
func Identity(cs *tls.ConnectionState) string {
	leaf := proved(cs)
	if leaf == nil {
		return ""
	}
	for _, u := range uris(leaf) {
		if strings.HasPrefix(u, "spiffe://") {
			return u
		}
	}
	if names := alternativeNames(leaf); len(names) > 0 {
		return names[0]
	}
	return distinguishedName(leaf.RawSubject)
}

// Names are all that the other side has proved to be, for who asks whether it may; none if nothing was proved.
func Names(cs *tls.ConnectionState) []identity.Name {
	leaf := proved(cs)
	if leaf == nil {
		return nil
	}
	return identity.Names(leaf)
}

// ForwardedCert is the client's X-Forwarded-Client-Cert as Envoy writes it with
// Subject, URI and DNS asked for. It is empty if the listener is not to tell, or
// if the client proved nothing: then the field must not go upstream at all.
func (s *Server) ForwardedCert(cs *tls.ConnectionState) string {
	leaf := proved(cs)
	if leaf == nil || !s.settings.ClientCertHeader {
		return ""
	}
	// Which certificate was shown is not told by crypto/tls, and a resumed
	// session shows none: it is the one that the name stands for.
	ours := s.live.Load().chooser.candidates(cs.ServerName)[0].Leaf
	return forwardedCert(ours, leaf)
}

// proved is the certificate that was verified against our roots, when this
// session began or, if it was resumed, when the session before it did.
func proved(cs *tls.ConnectionState) *x509.Certificate {
	if cs == nil || len(cs.VerifiedChains) == 0 || len(cs.PeerCertificates) == 0 {
		return nil
	}
	return cs.PeerCertificates[0]
}

func forwardedCert(ours, leaf *x509.Certificate) string {
	digest := sha256.Sum256(leaf.Raw)
	hash := "Hash=" + hex.EncodeToString(digest[:])
	var parts []string
	for _, u := range uris(ours) {
		parts = append(parts, "By="+quoted(u))
	}
	parts = append(parts, hash, `Subject="`+distinguishedName(leaf.RawSubject)+`"`)
	peer := uris(leaf)
	if len(peer) == 0 {
		parts = append(parts, "URI=") // Envoy's: the key is there also when the name is not
	}
	for _, u := range peer {
		parts = append(parts, "URI="+quoted(u))
	}
	for _, d := range leaf.DNSNames {
		if printable(d) {
			parts = append(parts, "DNS="+quoted(d))
		}
	}
	line := strings.Join(parts, ";")
	if len(line) > maxForwardedBytes {
		return hash // half a list of names would be a lie; the hash is the certificate
	}
	return line
}

// quoted puts a value into quotes if it has a character that separates values.
func quoted(v string) string {
	if !strings.ContainsAny(v, `,;="\`) {
		return v
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
}

// alternativeNames lists the names of a certificate, URIs first. Those that are
// not printable ASCII are left out, since they are bound for logs and headers.
func alternativeNames(c *x509.Certificate) []string {
	names := uris(c)
	for _, list := range [][]string{c.DNSNames, c.EmailAddresses} {
		for _, n := range list {
			if printable(n) {
				names = append(names, n)
			}
		}
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

func uris(c *x509.Certificate) []string {
	var list []string
	for _, u := range c.URIs {
		if s := u.String(); printable(s) {
			list = append(list, s)
		}
	}
	return list
}

// printable tells whether s is ASCII without blanks and control bytes.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
