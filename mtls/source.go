package mtls

import (
	"errors"
	"fmt"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

// maxFileBytes bounds one file. The bundle of all public authorities has 230 KB.
const maxFileBytes = 4 << 20

// kind is what a source holds.
type kind uint8

const (
	pairKind  kind = iota // a certificate and its key
	rootsKind             // the authorities of a CA file
)

func (k kind) String() string {
	if k == rootsKind {
		return "ca"
	}
	return "certificate"
}

// sourceKey is what makes two sources one: servers and clients that name the
// same files share them.
type sourceKey struct {
	kind kind
	file string // certificate or CA file
	key  string // key file of a pair
}

// source is one identity or set of roots on disk. All of it belongs to the Set,
// and is guarded by the Set's mu.
type source struct {
	sourceKey
	uses   int // servers and clients that hold it
	onDisk namedfile.LastGood[*material]
	told   expiry // what the log has of the end of its material
}

// files are the paths to read and to watch.
func (s *source) files() []string {
	if s.key == "" || s.key == s.file {
		return []string{s.file}
	}
	return []string{s.file, s.key}
}

// refresh reads everything, then decides: either all of it serves, or nothing of it.
func (s *source) refresh(now time.Time) namedfile.Change {
	return s.onDisk.Refresh(now, maxFileBytes, s.files(), s.parse)
}

// parse makes material of the contents of files.
func (s *source) parse(files [][]byte) (*material, error) {
	if s.kind == rootsKind {
		m, err := parseRoots(files[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, err)
		}
		return m, nil
	}
	m, isKey, err := parsePair(files[0], files[len(files)-1]) // a single file has both
	switch {
	case errors.Is(err, errKeyMismatch):
		return nil, fmt.Errorf("%s: does not belong to %s", s.key, s.file)
	case err != nil && isKey:
		return nil, fmt.Errorf("%s: %w", s.key, err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	return m, nil
}
