package mtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	// maxChain is the longest chain we send. Clients give up at ten or so, and
	// each costs every handshake a kilobyte.
	maxChain = 32
	// minRSABits is the shortest RSA key that crypto/rsa will sign with.
	minRSABits = 1024
)

// errKeyMismatch says that a key and a certificate, each good, are not one pair.
var errKeyMismatch = errors.New("key and certificate are not one pair")

// parsePair makes an identity that a handshake can use. An error is about the
// key if isKey says so, and errKeyMismatch is about both.
func parsePair(certPEM, keyPEM []byte) (m *material, isKey bool, err error) {
	chain, err := parseCertificates(certPEM)
	if err != nil {
		return nil, false, err
	}
	if len(chain) > maxChain {
		return nil, false, fmt.Errorf("holds %d certificates, more than %d", len(chain), maxChain)
	}
	if err := usableKey(chain[0].PublicKey); err != nil {
		return nil, false, err
	}
	key, err := parseKey(keyPEM)
	if err != nil {
		return nil, true, err
	}
	if !belongs(key, chain[0]) {
		for i, c := range chain[1:] {
			if belongs(key, c) {
				return nil, false, fmt.Errorf(
					"the key belongs to certificate %d of the file; the server's own must come first", i+2)
			}
		}
		return nil, true, errKeyMismatch
	}
	return pairMaterial(chain, key), false, nil
}

// parseRoots reads the authorities of a CA file. Unlike AppendCertsFromPEM it
// skips nothing: a root that is silently left out is an outage without a cause.
func parseRoots(data []byte) (*material, error) {
	roots, err := parseCertificates(data)
	if err != nil {
		return nil, err
	}
	return rootsMaterial(roots), nil
}

// parseCertificates reads every certificate of a file, at least one. Blocks of
// other types (the key, DH parameters) are left alone.
func parseCertificates(data []byte) ([]*x509.Certificate, error) {
	blocks, err := decodeBlocks(data)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for i, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d is not a certificate (%s)", i+1, plain(err.Error()))
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("holds no certificate (%s)", describe(blocks))
	}
	return certs, nil
}

// parseKey reads the only private key of a file.
func parseKey(data []byte) (crypto.Signer, error) {
	blocks, err := decodeBlocks(data)
	if err != nil {
		return nil, err
	}
	var found *pem.Block
	for _, b := range blocks {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue
		}
		if found != nil {
			return nil, errors.New("holds more than one private key")
		}
		found = b
	}
	switch {
	case found == nil:
		return nil, fmt.Errorf("holds no private key (%s)", describe(blocks))
	case found.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(found.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, errors.New("the private key is encrypted, and there is nobody to ask for the passphrase")
	}
	return decodeKey(found)
}

func decodeKey(b *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch b.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	}
	if err != nil {
		// The parser's own text may quote the key's bytes; the type is all we tell.
		return nil, fmt.Errorf("the block %q is not a private key", plain(b.Type))
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return signer, usableKey(signer.Public())
}

// usableKey refuses, at load, a key that would fail each handshake.
func usableKey(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < minRSABits {
			return fmt.Errorf("an RSA key of %d bits is too short", bits)
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			return errors.New("TLS has no signatures on the curve P-224")
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("TLS has no signatures with a key of type %T", public)
	}
	return nil
}

func belongs(key crypto.Signer, cert *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(cert.PublicKey)
}

// decodeBlocks reads all PEM blocks. pem.Decode passes over what it cannot read,
// such as the half of a chain that is still being written. Here that is an
// error.
func decodeBlocks(data []byte) ([]*pem.Block, error) {
	const begin = "-----BEGIN "
	var blocks []*pem.Block
	for rest := data; ; {
		block, next := pem.Decode(rest)
		consumed, want := rest[:len(rest)-len(next)], 1
		if block == nil {
			consumed, want = rest, 0
		}
		if bytes.Count(consumed, []byte(begin)) != want {
			return nil, fmt.Errorf("PEM block %d is broken or cut off", len(blocks)+1)
		}
		if block == nil {
			return blocks, nil
		}
		blocks, rest = append(blocks, block), next
	}
}

// describe tells what was found instead of what was wanted.
func describe(blocks []*pem.Block) string {
	if len(blocks) == 0 {
		return "no PEM at all"
	}
	var types []string
	for _, b := range blocks {
		if t := plain(b.Type); !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return plain(strings.Join(types, ", "))
}
