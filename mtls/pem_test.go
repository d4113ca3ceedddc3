package mtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

func TestParsePair(t *testing.T) {
	ca := testcert.NewCA(t, "ca")
	pair, other := ca.Below(t, "below").Server(t, "a.test"), ca.Server(t, "b.test")
	legacy := ca.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, RSA: true})
	block := func(kind string, content []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	must(t, err)
	p224DER, err := x509.MarshalPKCS8PrivateKey(p224)
	must(t, err)
	rsaKey := legacy.TLS(t).PrivateKey
	rsaDER, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	must(t, err)
	encrypted := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
		Bytes: rsaDER,
	})
	for _, row := range []struct {
		name      string
		cert, key []byte
		want      string // empty = good
		isKey     bool
	}{
		{"good", pair.CertPEM, pair.KeyPEM, "", false},
		{"good RSA", legacy.CertPEM, legacy.KeyPEM, "", false},
		{"text around", join([]byte("Subject: a\n"), pair.CertPEM, []byte("\nend\n")), pair.KeyPEM, "", false},
		{"CRLF", bytes.ReplaceAll(pair.CertPEM, []byte("\n"), []byte("\r\n")), pair.KeyPEM, "", false},
		{"key in the same file", join(pair.KeyPEM, pair.CertPEM), join(pair.KeyPEM, pair.CertPEM), "", false},
		{"parameters before the key", pair.CertPEM, join(block("EC PARAMETERS", []byte{6, 0}), pair.KeyPEM), "", false},
		{"empty", nil, pair.KeyPEM, "holds no certificate (no PEM at all)", false},
		{"half a chain", pair.CertPEM[:len(pair.CertPEM)-40], pair.KeyPEM, "PEM block 2 is broken or cut off", false},
		{"broken in front", join(pair.CertPEM[:90], []byte("\n"), pair.CertPEM), pair.KeyPEM,
			"PEM block 1 is broken or cut off", false},
		{"request", block("CERTIFICATE REQUEST", []byte{1}), pair.KeyPEM, "holds no certificate (CERTIFICATE REQUEST)",
			false},
		{"no DER", block("CERTIFICATE", []byte("x")), pair.KeyPEM,
			"PEM block 1 is not a certificate (x509: malformed certificate)", false},
		{"wrong order", join(ca.PEM(), other.CertPEM), other.KeyPEM,
			"the key belongs to certificate 2 of the file; the server's own must come first", false},
		{"endless chain", bytes.Repeat(pair.CertPEM, 17), pair.KeyPEM, "holds 34 certificates, more than 32", false},
		{"no key", pair.CertPEM, pair.CertPEM, "holds no private key (CERTIFICATE)", true},
		{"key cut off", pair.CertPEM, pair.KeyPEM[:60], "PEM block 1 is broken or cut off", true},
		{"two keys", pair.CertPEM, join(pair.KeyPEM, other.KeyPEM), "holds more than one private key", true},
		{"encrypted", pair.CertPEM, block("ENCRYPTED PRIVATE KEY", []byte{1}),
			"the private key is encrypted, and there is nobody to ask for the passphrase", true},
		{"encrypted the old way", pair.CertPEM, encrypted,
			"the private key is encrypted, and there is nobody to ask for the passphrase", true},
		{"no DER in key", pair.CertPEM, block("EC PRIVATE KEY", []byte("secret")),
			`the block "EC PRIVATE KEY" is not a private key`, true},
		{"unknown curve", pair.CertPEM, block("PRIVATE KEY", p224DER), "TLS has no signatures on the curve P-224",
			true},
		{"mismatch", pair.CertPEM, other.KeyPEM, errKeyMismatch.Error(), true},
		{"mismatch of kinds", pair.CertPEM, legacy.KeyPEM, errKeyMismatch.Error(), true},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, isKey, err := parsePair(row.cert, row.key)
			if row.want == "" {
				if err != nil || m.pair.Leaf == nil {
					t.Fatalf("parsePair: %v", err)
				}
				return
			}
			if err == nil || err.Error() != row.want || isKey != row.isKey {
				t.Errorf("parsePair: %v (about the key: %v), want %s (%v)", err, isKey, row.want, row.isKey)
			}
		})
	}
}

func TestParseRoots(t *testing.T) {
	one, two := testcert.NewCA(t, "one"), testcert.NewCA(t, "two")
	m, err := parseRoots(append(one.PEM(), two.PEM()...))
	if err != nil || strings.Join(m.subjects, " ") != "CN=one CN=two" {
		t.Errorf("parseRoots = %+v, %v", m, err)
	}
	bad := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	if _, err := parseRoots(append(one.PEM(), bad...)); err == nil {
		t.Error("a root that cannot be read was left out in silence")
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.pem")
	f, err := os.Create(large)
	must(t, err)
	must(t, f.Truncate(maxFileBytes+1))
	must(t, f.Close())
	read := func(path string) error {
		src := &source{sourceKey: sourceKey{kind: rootsKind, file: path}}
		src.refresh(time.Now())
		return src.onDisk.Err()
	}
	if err := read(large); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("reading a large file: %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	if err := read(pipe); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("reading a pipe: %v", err)
	}
}

// FuzzParsePair holds that whatever is accepted can make a handshake.
func FuzzParsePair(f *testing.F) {
	ca := testcert.NewCA(f, "ca")
	pair := ca.Below(f, "below").Server(f, "a.test")
	f.Add(pair.CertPEM, pair.KeyPEM)
	f.Add(pair.CertPEM[:200], pair.KeyPEM)
	f.Add(append(pair.KeyPEM, pair.CertPEM...), append(pair.KeyPEM, pair.CertPEM...))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		m, isKey, err := parsePair(cert, key)
		if err != nil {
			if m != nil || len(err.Error()) > 4*maxText {
				t.Errorf("parsePair = %v, %v, %q", m, isKey, err)
			}
			return
		}
		if m.pair.Leaf == nil || len(m.pair.Certificate) == 0 || len(m.subjects) == 0 {
			t.Errorf("accepted with nothing in it: %+v", m)
		}
		newChooser([]*tls.Certificate{m.pair})
		if !belongs(m.pair.PrivateKey.(crypto.Signer), m.pair.Leaf) {
			t.Error("accepted a key of another certificate")
		}
	})
}

// FuzzParseRoots holds that nothing is left out and every name is fit to be shown.
func FuzzParseRoots(f *testing.F) {
	f.Add(append(testcert.NewCA(f, "one").PEM(), testcert.NewCA(f, "two").PEM()...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseRoots(data)
		if err != nil {
			return
		}
		if len(m.subjects) != bytes.Count(data, []byte("-----BEGIN CERTIFICATE-----")) {
			t.Errorf("%d roots of %q", len(m.subjects), data)
		}
		for _, s := range m.subjects {
			if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
				t.Errorf("subject %q", s)
			}
		}
	})
}

func TestFirstExpiryCounts(t *testing.T) {
	below := testcert.NewCA(t, "ca").Below(t, "below")
	pair := below.Leaf(t, testcert.Leaf{DNS: []string{"a.test"}, NotAfter: below.Cert.NotAfter.Add(time.Hour)})
	m, _, err := parsePair(pair.CertPEM, pair.KeyPEM)
	must(t, err)
	if !m.notAfter.Equal(below.Cert.NotAfter) {
		t.Errorf("the chain is good until %v, want %v, when its authority expires", m.notAfter, below.Cert.NotAfter)
	}
}
