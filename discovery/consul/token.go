package consul

import (
	"fmt"
	"strings"
	"sync"

	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

// maxTokenBytes bounds what is read from a token file: the longest tokens are
// those of Vault's agents, a few hundred bytes.
const maxTokenBytes = 16 << 10

// token is the ACL token that every request carries. It is read anew whenever
// its file may have changed and whenever Consul says 403.
type token struct {
	file  string // CONSUL_HTTP_TOKEN_FILE; empty = none
	given string // CONSUL_HTTP_TOKEN: without a file, or while the file is empty

	mu sync.Mutex
	// +checklocks:mu
	value string
	// +checklocks:mu
	err error // why there is no value
}

func newToken(file, given string) *token {
	t := &token{file: file, given: given}
	t.refresh()
	return t
}

// current is the token to send; empty = none is configured. An error is no
// reason to send a request without one: the responses to that look like deletions.
func (t *token) current() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value, t.err
}

// refresh reads the file and reports whether there is another token now. A file
// that vanishes, or is empty while somebody writes it, leaves the token we have.
func (t *token) refresh() (changed bool) {
	value, err := t.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.value != "" && (err != nil || value == "") {
		return false
	}
	changed = value != t.value || (err == nil) != (t.err == nil)
	t.value, t.err = value, err
	return changed
}

func (t *token) read() (string, error) {
	if t.file == "" {
		return t.given, nil
	}
	text, err := namedfile.Read(t.file, maxTokenBytes)
	switch value := strings.TrimSpace(string(text)); {
	case err != nil:
		return "", fmt.Errorf("env CONSUL_HTTP_TOKEN_FILE: %w", err)
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f }):
		return "", fmt.Errorf("env CONSUL_HTTP_TOKEN_FILE: %s: not one line of printable characters", t.file)
	case value == "":
		return t.given, nil
	default:
		return value, nil
	}
}
