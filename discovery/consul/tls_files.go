package consul

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// mostCAFiles is how many files and folders CONSUL_CAPATH may hold.
const mostCAFiles = 4096

// readFiles reads the files that variables of TLS name, and puts what they hold into config in place of their names. So
// the library opens none of them, which would wait for a pipe that nobody writes. What they hold is noted, so that a
// change of them is seen.
func (l *link) readFiles(config *api.TLSConfig) error {
	h := sha256.New()
	for _, file := range []struct {
		variable string
		path     *string
		content  *[]byte
	}{
		{api.HTTPCAFile, &config.CAFile, &config.CAPem},
		{api.HTTPClientCert, &config.CertFile, &config.CertPEM},
		{api.HTTPClientKey, &config.KeyFile, &config.KeyPEM},
	} {
		if *file.path == "" {
			continue
		}
		text, err := l.readFile(h, *file.path)
		if err != nil {
			return fmt.Errorf("env %s: %w", file.variable, err)
		}
		*file.path, *file.content = "", text
	}
	switch {
	case len(config.CAPem) > 0:
		if !x509.NewCertPool().AppendCertsFromPEM(config.CAPem) {
			return fmt.Errorf("env %s: %s: holds no certificate", api.HTTPCAFile, l.files[0])
		}
	case config.CAPath != "":
		var err error
		if config.CAPem, err = l.readFolder(h, config.CAPath); err != nil {
			return fmt.Errorf("env %s: %w", api.HTTPCAPath, err)
		}
	}
	config.CAPath = ""
	h.Sum(l.content[:0])
	return nil
}

// readFile reads one file and notes what it holds. An empty one would be taken for none.
func (l *link) readFile(h hash.Hash, path string) ([]byte, error) {
	text, err := discovery.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%s: empty", path)
	}
	l.files = append(l.files, path)
	_, _ = fmt.Fprintln(h, len(text))
	_, _ = h.Write(text)
	return text, nil
}

// readFolder reads each file below a folder, all of which hold certificates. A link to a folder is left out, such as
// the one in a volume of Kubernetes: what it holds is linked beside it.
func (l *link) readFolder(h hash.Hash, folder string) (all []byte, err error) {
	entries := 0
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entries++; entries > mostCAFiles {
			return fmt.Errorf("%s: more than %d files", folder, mostCAFiles)
		}
		if e.IsDir() {
			return nil
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return nil
		}
		text, err := l.readFile(h, path)
		switch {
		case err != nil:
			return err
		case len(all)+len(text) > config.MaxDocumentBytes:
			return fmt.Errorf("%s: larger than %d MiB in all", folder, config.MaxDocumentBytes>>20)
		case !x509.NewCertPool().AppendCertsFromPEM(text):
			return fmt.Errorf("%s: holds no certificate", path)
		}
		all = append(append(all, text...), '\n')
		return nil
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s: no certificate in it yet: %w", folder, fs.ErrNotExist)
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return all, err
}
