package consul

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/consul/api"

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
	// +checklocks:mu
	broken error // why value is not from what the file has now; nil: it is
}

// tokenNews is what a refresh has found.
type tokenNews uint8

const (
	tokenSame    tokenNews = iota
	tokenChanged           // another token is sent from now on
	tokenBroke             // the file has none, for a reason that was not known yet; the one from before stays in use
	tokenMended            // the file has the token in use, after it was broken
)

// TokenError tells that there is no token to send, by the variable that should give it.
type TokenError struct {
	Variable string // CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE
	Err      error
}

func (e *TokenError) Error() string { return "env " + e.Variable + ": " + e.Err.Error() }
func (e *TokenError) Unwrap() error { return e.Err }

var (
	errNotPrintable = errors.New("not one line of printable characters")
	errEmptyToken   = errors.New("it is empty: write the token into it")
)

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

// refresh reads the file and tells what is new. A file that vanishes, or is empty while somebody writes it, leaves the
// token we have.
func (t *token) refresh() tokenNews {
	value, err := t.read()
	t.mu.Lock()
	defer t.mu.Unlock()
	was := t.broken
	if t.value != "" && (err != nil || value == "") {
		if t.broken = err; err == nil {
			t.broken = &TokenError{api.HTTPTokenFileEnvName, fmt.Errorf("%s: %w", t.file, errEmptyToken)}
		}
		if was != nil && was.Error() == t.broken.Error() {
			return tokenSame
		}
		return tokenBroke
	}
	changed := value != t.value || (err == nil) != (t.err == nil)
	t.value, t.err, t.broken = value, err, nil
	switch {
	case changed:
		return tokenChanged
	case was != nil:
		return tokenMended
	}
	return tokenSame
}

// fault is why the token in use is not from what its file has now; nil: it is, or there is none.
func (t *token) fault() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

func (t *token) read() (string, error) {
	if t.file == "" {
		return t.ofVariable()
	}
	text, err := namedfile.Read(t.file, maxTokenBytes)
	switch value := strings.TrimSpace(string(text)); {
	case err != nil:
		return "", &TokenError{api.HTTPTokenFileEnvName, err}
	case !printable(value):
		return "", &TokenError{api.HTTPTokenFileEnvName, fmt.Errorf("%s: %w", t.file, errNotPrintable)}
	case value == "":
		return t.ofVariable()
	default:
		return value, nil
	}
}

// ofVariable is the token of CONSUL_HTTP_TOKEN, which no message shows.
func (t *token) ofVariable() (string, error) {
	if !printable(t.given) {
		return "", &TokenError{api.HTTPTokenEnvName, errNotPrintable}
	}
	return t.given, nil
}

// printable tells whether text can stand in a header field as one word.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
