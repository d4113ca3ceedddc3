package mtls

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"time"
)

// material is what was read from a source. It is never changed, so that two
// holders of one pointer know that they hold the same.
type material struct {
	pair     *tls.Certificate // of a pair
	roots    *x509.CertPool   // of a CA file
	subjects []string
	notAfter time.Time // the first moment at which a certificate of it is no longer good
}

func pairMaterial(chain []*x509.Certificate, key crypto.Signer) *material {
	leaf := chain[0]
	m := &material{
		pair:     &tls.Certificate{PrivateKey: key, Leaf: leaf},
		subjects: alternativeNames(leaf),
		notAfter: firstExpiry(chain),
	}
	if len(m.subjects) == 0 {
		m.subjects = []string{distinguishedName(leaf.RawSubject)}
	}
	for _, c := range chain {
		m.pair.Certificate = append(m.pair.Certificate, c.Raw)
	}
	return m
}

func rootsMaterial(roots []*x509.Certificate) *material {
	m := &material{roots: x509.NewCertPool(), notAfter: firstExpiry(roots)}
	for _, c := range roots {
		m.roots.AddCert(c)
		m.subjects = append(m.subjects, distinguishedName(c.RawSubject))
	}
	return m
}

func firstExpiry(certs []*x509.Certificate) time.Time {
	first := certs[0].NotAfter
	for _, c := range certs[1:] {
		if c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}
