package testcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// CA is a certificate authority: a root, or below another one.
type CA struct {
	Cert  *x509.Certificate
	key   crypto.Signer
	chain []*x509.Certificate // from this one up to below the root; nil for a root
}

// Leaf says what a certificate is to be for; the zero Leaf has no names.
type Leaf struct {
	Subject  pkix.Name
	DNS      []string
	IPs      []string
	URIs     []string
	Emails   []string
	NotAfter time.Time // zero = in a day; in the past = an expired certificate
	RSA      bool      // instead of ECDSA P-256

	// Edit, if set, changes what is signed in ways not foreseen here.
	Edit func(*x509.Certificate)
}

// Pair is a certificate with its key.
type Pair struct {
	Cert    *x509.Certificate
	CertPEM []byte // the certificate, then the authorities up to below the root
	KeyPEM  []byte // PKCS#8
}

// NewCA makes a root with this common name.
func NewCA(t testing.TB, name string) *CA {
	t.Helper()
	key := newKey(t, false)
	template := authority(name)
	return &CA{Cert: sign(t, template, template, key.Public(), key), key: key}
}

// Below makes an authority that ca has signed; its leaves carry it in their chain.
func (ca *CA) Below(t testing.TB, name string) *CA {
	t.Helper()
	key := newKey(t, false)
	cert := sign(t, authority(name), ca.Cert, key.Public(), ca.key)
	return &CA{Cert: cert, key: key, chain: append([]*x509.Certificate{cert}, ca.chain...)}
}

// PEM is the certificate of the authority.
func (ca *CA) PEM() []byte { return encode(ca.Cert) }

// Pool holds this authority alone, for a test's own tls.Config.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Cert)
	return pool
}

// Leaf makes a key and a certificate for it, good for servers and clients.
func (ca *CA) Leaf(t testing.TB, leaf Leaf) *Pair {
	t.Helper()
	template := &x509.Certificate{
		Subject:        leaf.Subject,
		DNSNames:       leaf.DNS,
		EmailAddresses: leaf.Emails,
		NotBefore:      time.Now().Add(-time.Hour),
		NotAfter:       leaf.NotAfter,
		KeyUsage:       x509.KeyUsageDigitalSignature,
		ExtKeyUsage:    []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, s := range leaf.IPs {
		ip := net.ParseIP(s)
		if ip == nil {
			t.Fatalf("testcert: %q: not an IP address", s)
		}
		template.IPAddresses = append(template.IPAddresses, ip)
	}
	for _, s := range leaf.URIs {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("testcert: %v", err)
		}
		template.URIs = append(template.URIs, u)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(24 * time.Hour)
	}
	if !template.NotAfter.After(template.NotBefore) {
		template.NotBefore = template.NotAfter.Add(-time.Hour)
	}
	if leaf.Edit != nil {
		leaf.Edit(template)
	}
	key := newKey(t, leaf.RSA)
	cert := sign(t, template, ca.Cert, key.Public(), ca.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	return &Pair{
		Cert:    cert,
		CertPEM: append(encode(cert), encode(ca.chain...)...),
		KeyPEM:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
	}
}

// Server makes a certificate for DNS names, the most common wish of all.
func (ca *CA) Server(t testing.TB, dns ...string) *Pair {
	t.Helper()
	return ca.Leaf(t, Leaf{DNS: dns, IPs: []string{"127.0.0.1"}})
}

// SPIFFE makes a certificate for one URI and no other name.
func (ca *CA) SPIFFE(t testing.TB, uri string) *Pair {
	t.Helper()
	return ca.Leaf(t, Leaf{URIs: []string{uri}})
}

// TLS is the pair as crypto/tls wants it.
func (p *Pair) TLS(t testing.TB) tls.Certificate {
	t.Helper()
	cert, err := tls.X509KeyPair(p.CertPEM, p.KeyPEM)
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	return cert
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-48 * time.Hour),
		NotAfter:              time.Now().Add(48 * time.Hour),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
}

func newKey(t testing.TB, useRSA bool) crypto.Signer {
	t.Helper()
	if useRSA {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatalf("testcert: %v", err)
		}
		return key
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	return key
}

func sign(t testing.TB, template, parent *x509.Certificate, public crypto.PublicKey,
	key crypto.Signer) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	return cert
}

func encode(certs ...*x509.Certificate) []byte {
	var text []byte
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}
