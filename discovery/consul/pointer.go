package consul

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const (
	// pointerVersion is that of the form of a pointer.
	pointerVersion = 1

	// maxParts bounds the parts of one document: 8 MiB that gzip cannot make smaller.
	maxParts = 32

	// partBytes is how much of a zipped document one key holds. Consul takes 512 KiB.
	partBytes = 480 << 10
)

// Pointer is what the key of a document holds in the place of the document: where its parts are. Its JSON is what other
// tools may read.
type Pointer struct {
	Version int       `json:"v"`
	Rev     string    `json:"rev"`             // the revision's name, as the gateway tells it
	SHA256  string    `json:"sha256"`          // of the document's bytes
	Size    int       `json:"size"`            // in bytes
	Files   []File    `json:"files,omitempty"` // of which it is made, one after the other; none = a single one
	Parts   []string  `json:"parts"`           // keys, in order: the document, zipped with gzip and cut
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	Note    string    `json:"note,omitempty"`
	Parent  string    `json:"parent,omitempty"` // the revision that it took the place of
	Forced  bool      `json:"forced,omitempty"` // ends a quarantine that began before At

	Rollback bool `json:"rollback,omitempty"` // takes back what was live: gateways do not wait for their turns
}

// File is one of several that are one document, as the keys of a folder are.
type File struct {
	Name string `json:"name"`
	Size int    `json:"size"` // in bytes
}

// parsePointer tells whether a value is a pointer, which a document never is: it has other keys. The error is what is
// wrong with it.
func parsePointer(value []byte) (p Pointer, is bool, err error) {
	if text := bytes.TrimSpace(value); len(text) == 0 || text[0] != '{' {
		return p, false, nil
	}
	var keys struct {
		Version *int            `json:"v"`
		Parts   json.RawMessage `json:"parts"`
	}
	if json.Unmarshal(value, &keys) != nil || keys.Version == nil || keys.Parts == nil {
		return p, false, nil //nolint:nilerr // it is YAML, or what is wrong with it the document's reader says better
	}
	if err := json.Unmarshal(value, &p); err != nil {
		return p, true, fmt.Errorf("pointer: %w", err)
	}
	return p, true, p.check()
}

func (p *Pointer) check() error {
	switch {
	case p.Version != pointerVersion:
		return fmt.Errorf("pointer: form %d, want %d: another version of the gateway wrote it",
			p.Version, pointerVersion)
	case len(p.Parts) == 0:
		return errors.New("pointer: has no parts")
	case len(p.Parts) > maxParts:
		return fmt.Errorf("pointer: has %d parts, want at most %d", len(p.Parts), maxParts)
	case len(p.SHA256) != 2*sha256.Size:
		return fmt.Errorf("pointer: sha256 is %.80q, want %d hex digits", p.SHA256, 2*sha256.Size)
	}
	for _, key := range p.Parts {
		if err := checkKey(key); err != nil {
			return fmt.Errorf("pointer: %w", err)
		}
	}
	return nil
}

// maxNameBytes bounds the name of a revision. Those that a push gives have 12 letters.
const maxNameBytes = 64

// name is that of the revision, if it is one that can be shown: anybody may have written it.
func (p *Pointer) name() string {
	if len(p.Rev) > maxNameBytes || strings.ContainsFunc(p.Rev, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return ""
	}
	return p.Rev
}

// setDocument notes what the document is, and returns its bytes. Its files are in the order of their names.
func (p *Pointer) setDocument(document []config.Part) []byte {
	var text []byte
	p.Files = nil
	for _, file := range document {
		text = append(text, file.Data...)
		if file.Name != "" {
			p.Files = append(p.Files, File{file.Name, len(file.Data)})
		}
	}
	p.SHA256, p.Size = hashHex(text), len(text)
	return text
}

// document is the files that the bytes are made of.
func (p *Pointer) document(text []byte) ([]config.Part, error) {
	if p.Files == nil {
		return []config.Part{{Data: text}}, nil
	}
	all := make([]config.Part, 0, len(p.Files))
	for _, file := range p.Files {
		if file.Name == "" || file.Size < 0 || file.Size > len(text) {
			return nil, fmt.Errorf("pointer to %s: file %q of %d bytes: not in the document", p.Rev, file.Name,
				file.Size)
		}
		all = append(all, config.Part{Name: file.Name, Data: text[:file.Size:file.Size]})
		text = text[file.Size:]
	}
	if len(text) > 0 {
		return nil, fmt.Errorf("pointer to %s: %d bytes are of no file", p.Rev, len(text))
	}
	return all, nil
}

// assemble makes the document of its parts, and proves that it is the one that was pushed.
func (p *Pointer) assemble(parts [][]byte) ([]config.Part, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(bytes.Join(parts, nil)))
	if err != nil {
		return nil, fmt.Errorf("pointer to %s: its parts are not zipped: %w", p.Rev, err)
	}
	text, err := io.ReadAll(io.LimitReader(unzipped, config.MaxDocumentBytes+1))
	switch sum := sha256.Sum256(text); {
	case err != nil:
		return nil, fmt.Errorf("pointer to %s: its parts do not fit together: %w", p.Rev, err)
	case len(text) > config.MaxDocumentBytes:
		return nil, fmt.Errorf("pointer to %s: larger than %d MiB", p.Rev, config.MaxDocumentBytes>>20)
	case hex.EncodeToString(sum[:]) != p.SHA256:
		return nil, fmt.Errorf("pointer to %s: its parts are those of another document: sha256 is %x, want %s",
			p.Rev, sum, p.SHA256)
	}
	return p.document(text)
}

// readPart reads one part; absent says that there is no such key.
func (c *Client) readPart(ctx context.Context, key string) (part []byte, absent bool, err error) {
	pair, found, err := c.readKey(ctx, key)
	return pair.Value, !found, err
}

// readKey reads one key from the leader, and tells whether there is one.
func (c *Client) readKey(ctx context.Context, key string) (pair api.KVPair, found bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, plainTimeout, errSlow)
	defer cancel()
	head, err := c.get(ctx, "/v1/kv/"+key, url.Values{}, fetchOptions{}, maxElementBytes,
		func(_ responseHead, body io.Reader) error {
			return decodeList(body, 1, func(p api.KVPair) { pair, found = p, true })
		})
	if err == nil && head.filtered {
		err = errFiltered
	}
	return pair, found, inTime(ctx, err)
}

// follow reads the document that p points to. What is wrong with the document is refused, an error of Consul's is an
// error.
func (s *keySource) follow(ctx context.Context, p *Pointer, more func()) (discovery.Document, error) {
	id := fmt.Sprint(p.SHA256, p.Files) // the parts of one hash are always the same
	s.mu.Lock()
	last, same := s.pointed, s.pointedBy == id
	s.mu.Unlock()
	if same {
		return last, nil
	}
	document, why, err := s.consul.readDocument(ctx, p, more)
	if err != nil {
		return discovery.Document{}, err
	}
	if why != nil {
		return discovery.NewRefused("consul", fmt.Errorf("%s: %w", s.key, why)), nil
	}
	d := discovery.NewDocument("consul", s.key, document)
	s.mu.Lock()
	s.pointed, s.pointedBy = d, id
	s.mu.Unlock()
	return d, nil
}

// readDocument reads the document that p points to; why says what is wrong with it. more, unless it is nil, is told
// before each of its parts is read.
func (c *Client) readDocument(ctx context.Context, p *Pointer, more func()) (
	document []config.Part, why, err error,
) {
	var parts [][]byte
	for _, key := range p.Parts {
		if more != nil {
			more()
		}
		part, absent, err := c.readPart(ctx, key)
		switch {
		case err != nil:
			return nil, nil, err
		case absent:
			return nil, fmt.Errorf("pointer to %s: its part %s is not there", p.Rev, key), nil
		}
		parts = append(parts, part)
	}
	document, why = p.assemble(parts)
	return document, why, nil
}

// folderOf is where what belongs to the document of a key lies.
func folderOf(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }
