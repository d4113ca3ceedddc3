package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// verifier is what a client checks itself at the end of each handshake, also of
// one that resumed a session.
type verifier struct {
	protocols []string // what we offered
	uri       string   // the URI SAN to expect; empty: crypto/tls verifies by host name, or nobody does
	roots     *x509.CertPool
}

// verify is the VerifyConnection of connections that carry HTTP.
func (v *verifier) verify(cs tls.ConnectionState) error {
	if err := v.verifyPeer(cs); err != nil {
		return err
	}
	// An endpoint that does not know ALPN chooses nothing. Then it speaks
	// HTTP/1.1, unless that was not offered: h2 is never spoken on a guess
	// (RFC 9113 section 3.2).
	if cs.NegotiatedProtocol == "" && slices.Equal(v.protocols, []string{"h2"}) {
		return errNoHTTP2
	}
	return nil
}

var errNoHTTP2 = errors.New("endpoint did not agree on h2 (ALPN: none)")

// verifyPeer is the VerifyConnection of tunnels.
func (v *verifier) verifyPeer(cs tls.ConnectionState) error {
	if v.uri == "" {
		return nil
	}
	leaf := cs.PeerCertificates[0] // a TLS server without one does not get this far
	options := x509.VerifyOptions{Roots: v.roots, Intermediates: x509.NewCertPool()}
	for _, c := range cs.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: cs.PeerCertificates, Err: err}
	}
	return matchURI(leaf, v.uri)
}

// matchURI compares whole URIs. A SPIFFE identity is the only URI of its
// certificate (X509-SVID section 2), or one workload could carry two.
func matchURI(leaf *x509.Certificate, want string) error {
	found := make([]string, len(leaf.URIs))
	for i, u := range leaf.URIs {
		found[i] = u.String()
	}
	if len(found) > 1 && strings.HasPrefix(want, "spiffe://") {
		return &peerError{want: want, found: found, text: "has more than one URI"}
	}
	if slices.Contains(found, want) {
		return nil
	}
	return &peerError{want: want, found: found}
}

// peerError says that the endpoint proved to be someone else.
type peerError struct {
	want  string
	found []string
	text  string
}

func (e *peerError) Error() string {
	if e.text != "" {
		return fmt.Sprintf("endpoint is not %q (its certificate %s: %s)", e.want, e.text,
			plain(strings.Join(e.found, ", ")))
	}
	if len(e.found) == 0 {
		return fmt.Sprintf("endpoint is not %q (its certificate has no URI)", e.want)
	}
	return fmt.Sprintf("endpoint is not %q (it is %q)", e.want, plain(strings.Join(e.found, ", ")))
}

// checkURI refuses what could never match.
func checkURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme == "" {
		return fmt.Errorf("not an absolute URI (%q)", uri)
	}
	if u.String() != uri {
		return fmt.Errorf("not in the form that certificates are compared in (%q, write %q)", uri, u.String())
	}
	return nil
}
