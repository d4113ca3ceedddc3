package testcert

import (
	"os"
	"path/filepath"
	"testing"
)

// Write puts the pair into dir as name.pem and name.key and returns the two
// paths. What is there is replaced, the key first.
func (p *Pair) Write(t testing.TB, dir, name string) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	Replace(t, keyFile, p.KeyPEM)
	Replace(t, certFile, p.CertPEM)
	return certFile, keyFile
}

// Write puts the certificate of the authority into dir as name.pem.
func (ca *CA) Write(t testing.TB, dir, name string) (file string) {
	t.Helper()
	file = filepath.Join(dir, name+".pem")
	Replace(t, file, ca.PEM())
	return file
}

// Replace writes a file beside path and renames it over path, so that nobody
// ever reads half of it.
func Replace(t testing.TB, path string, content []byte) {
	t.Helper()
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		t.Fatalf("testcert: %v", err)
	}
	if _, err := f.Write(content); err != nil {
		t.Fatalf("testcert: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatalf("testcert: %v", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		t.Fatalf("testcert: %v", err)
	}
}
