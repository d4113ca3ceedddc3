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

	notBefore time.Time // the first moment at which all certificates of it are good
	notAfter  time.Time // the first moment at which one of them is no longer good
}

func pairMaterial(chain []*x509.Certificate, key crypto.Signer) *material {
	leaf := chain[0]
	m := &material{
		pair:     &tls.Certificate{PrivateKey: key, Leaf: leaf},
		subjects: alternativeNames(leaf),
	}
	m.notBefore, m.notAfter = validity(chain)
	if len(m.subjects) == 0 {
		m.subjects = []string{distinguishedName(leaf.RawSubject)}
	}
	for _, c := range chain {
		m.pair.Certificate = append(m.pair.Certificate, c.Raw)
	}
	return m
}

func rootsMaterial(roots []*x509.Certificate) *material {
	m := &material{roots: x509.NewCertPool()}
	m.notBefore, m.notAfter = validity(roots)
	for _, c := range roots {
		m.roots.AddCert(c)
		m.subjects = append(m.subjects, distinguishedName(c.RawSubject))
	}
	return m
}

// validity is when all of the certificates are good.
func validity(certs []*x509.Certificate) (begin, end time.Time) {
	begin, end = certs[0].NotBefore, certs[0].NotAfter
	for _, c := range certs[1:] {
		if c.NotBefore.After(begin) {
			begin = c.NotBefore
		}
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return begin, end
}
