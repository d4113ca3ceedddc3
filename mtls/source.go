package mtls

import (
	"crypto/sha256"
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
	uses int // servers and clients that hold it

	good   *material // what serves: the last that was whole
	seen   [32]byte  // digest of the contents of good
	loaded time.Time // since when good serves
	err    error     // why what is on disk does not serve; nil when it does
	broken time.Time // since when
	told   expiry    // what the log has of the end of good
}

// files are the paths to read and to watch.
func (s *source) files() []string {
	if s.key == "" || s.key == s.file {
		return []string{s.file}
	}
	return []string{s.file, s.key}
}

// change is what a refresh found.
type change uint8

const (
	same     change = iota
	replaced        // new material serves
	broke           // what is on disk cannot serve; the old material does
	mended          // what is on disk is what serves, after it was broken
)

// refresh reads everything, then decides: either all of it serves, or nothing of it.
func (s *source) refresh(now time.Time) change {
	next, digest, err := s.read()
	switch {
	case err != nil && s.err != nil && s.err.Error() == err.Error():
		return same
	case err != nil:
		s.err, s.broken = err, now
		return broke
	case s.good != nil && digest == s.seen:
		was := s.err
		s.err = nil
		if was != nil {
			return mended
		}
		return same
	}
	s.good, s.seen, s.loaded, s.err = next, digest, now, nil
	return replaced
}

// read returns the material on disk, or nil if it is what serves already.
func (s *source) read() (*material, [32]byte, error) {
	var digest [32]byte
	first, err := readFile(s.file)
	if err != nil {
		return nil, digest, err
	}
	second := first
	if s.kind == pairKind && s.key != s.file {
		if second, err = readFile(s.key); err != nil {
			return nil, digest, err
		}
	}
	one, two := sha256.Sum256(first), sha256.Sum256(second)
	digest = sha256.Sum256(append(one[:], two[:]...))
	if s.good != nil && digest == s.seen {
		return nil, digest, nil
	}
	m, err := s.parse(first, second)
	return m, digest, err
}

func (s *source) parse(first, second []byte) (*material, error) {
	if s.kind == rootsKind {
		m, err := parseRoots(first)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.file, err)
		}
		return m, nil
	}
	m, isKey, err := parsePair(first, second)
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

// readFile reads a regular file within the bound, without waiting for anybody.
func readFile(path string) ([]byte, error) { return namedfile.Read(path, maxFileBytes) }
