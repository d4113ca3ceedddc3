package testcert_test

import (
	"crypto/x509"
	"path/filepath"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

func TestLeafVerifies(t *testing.T) {
	root := testcert.NewCA(t, "root")
	below := root.Below(t, "below")
	intermediates := x509.NewCertPool()
	intermediates.AddCert(below.Cert)
	for _, row := range []struct {
		name string
		leaf testcert.Leaf
		ok   bool
	}{
		{"fresh", testcert.Leaf{DNS: []string{"a.test"}}, true},
		{"other name", testcert.Leaf{DNS: []string{"b.test"}}, false},
		{"expired", testcert.Leaf{DNS: []string{"a.test"}, NotAfter: time.Now().Add(-time.Minute)}, false},
		{"rsa", testcert.Leaf{DNS: []string{"a.test"}, RSA: true}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			pair := below.Leaf(t, row.leaf)
			_, err := pair.Cert.Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: intermediates,
				DNSName: "a.test"})
			if (err == nil) != row.ok {
				t.Errorf("Verify = %v, want ok %v", err, row.ok)
			}
		})
	}
}

func TestWrittenPairLoads(t *testing.T) {
	dir := t.TempDir()
	pair := testcert.NewCA(t, "root").Below(t, "below").SPIFFE(t, "spiffe://test/web")
	certFile, keyFile := pair.Write(t, dir, "web")
	if certFile != filepath.Join(dir, "web.pem") || keyFile != filepath.Join(dir, "web.key") {
		t.Errorf("Write = %q, %q", certFile, keyFile)
	}
	if cert := pair.TLS(t); len(cert.Certificate) != 2 || cert.Leaf.URIs[0].String() != "spiffe://test/web" {
		t.Errorf("the pair holds %d certificates for %v", len(cert.Certificate), cert.Leaf.URIs)
	}
}
