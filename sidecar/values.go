package sidecar

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/logfield"
)

// entryError is what is wrong with one entry of a list: the entry is shown
// instead of the whole value.
type entryError struct {
	entry string
	text  string
}

func (e *entryError) Error() string { return fmt.Sprintf("%q: %s", e.entry, e.text) }

func wrong(entry, format string, args ...any) error {
	return &entryError{entry, fmt.Sprintf(format, args...)}
}

// Size is a number of bytes, written 65536, 64KiB, 1MiB or 1GiB (and kB, MB, GB
// for the powers of ten).
type Size int64

// Decode reads a size as the document writes it.
func (s *Size) Decode(text string) error {
	n, err := config.ParseSize(text)
	*s = Size(n)
	return err
}

// Fields are access-log fields in the order wanted; none means all.
type Fields []string

// Decode reads a comma list.
func (f *Fields) Decode(text string) error {
	known := logfield.Names()
	var all Fields
	for name := range split(text, ",") {
		switch {
		case !slices.Contains(known, name):
			return wrong(name, "no field of the access log%s", perhaps(name, known))
		case slices.Contains(all, name):
			return wrong(name, "named twice")
		}
		all = append(all, name)
	}
	*f = all
	return nil
}

// Prefixes are networks.
type Prefixes []netip.Prefix

// Decode reads a comma list of CIDRs and addresses.
func (p *Prefixes) Decode(text string) error {
	var all Prefixes
	for entry := range split(text, ",") {
		n, err := readNetwork(entry)
		if err != nil {
			return err
		}
		all = append(all, n)
	}
	*p = all
	return nil
}

func readNetwork(entry string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(entry); err == nil && a.Zone() == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	n, err := netip.ParsePrefix(entry)
	if err != nil {
		return n, wrong(entry, "not a network (like 10.0.0.0/8)")
	}
	if n != n.Masked() {
		return n, wrong(entry, "has bits beyond its mask (the network is %s)", n.Masked())
	}
	return n, nil
}

// Pairs are certificates with their keys.
type Pairs []config.Certificate

// Decode reads a comma list of cert.pem:key.pem.
func (p *Pairs) Decode(text string) error {
	var all Pairs
	for entry := range split(text, ",") {
		cert, key, ok := strings.Cut(entry, ":")
		if !ok || cert == "" || key == "" || strings.Contains(key, ":") {
			return wrong(entry, "not a pair of files (like cert.pem:key.pem)")
		}
		all = append(all, config.Certificate{CertFile: cert, KeyFile: key})
	}
	*p = all
	return nil
}

// Tags are those of the service that the gateway registers.
type Tags []string

// Decode reads a comma list.
func (t *Tags) Decode(text string) error {
	var all Tags
	for tag := range split(text, ",") {
		switch {
		case tag == "":
			return wrong(tag, "empty")
		case slices.Contains(all, tag):
			return wrong(tag, "named twice")
		}
		all = append(all, tag)
	}
	*t = all
	return nil
}

// Meta is the meta data of the service that the gateway registers.
type Meta []MetaEntry

// MetaEntry is one of it.
type MetaEntry struct{ Key, Value string }

// What Consul takes.
const (
	maxMeta      = 60 // of 64: the gateway adds its own
	maxMetaKey   = 128
	maxMetaValue = 512
)

// Decode reads `version=2; zone=eu-1`.
func (m *Meta) Decode(text string) error {
	var all Meta
	for entry := range split(text, ";") {
		key, value, ok := strings.Cut(entry, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		strange := func(r rune) bool { return !word("a"+string(r)) || r == '.' }
		switch {
		case !ok:
			return wrong(entry, "no = (the form is key=value)")
		case key == "" || len(key) > maxMetaKey || strings.ContainsFunc(key, strange):
			return wrong(entry, "%q is not a key (letters, digits, - _, at most %d)", key, maxMetaKey)
		case strings.HasPrefix(key, "consul-"), key == consul.OwnedBy:
			return wrong(entry, "key %s is taken", key)
		case len(value) > maxMetaValue:
			return wrong(entry, "the value is longer than %d bytes", maxMetaValue)
		case slices.ContainsFunc(all, func(e MetaEntry) bool { return e.Key == key }):
			return wrong(entry, "key %s is there already", key)
		case len(all) == maxMeta:
			return wrong(entry, "more than %d keys", maxMeta)
		}
		all = append(all, MetaEntry{key, value})
	}
	*m = all
	return nil
}

// split gives the entries of a list without the space around them. A separator at
// the end is allowed, any other empty entry comes out as one, to be refused.
func split(text, sep string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		rest := strings.TrimSpace(text)
		for rest != "" {
			var entry string
			entry, rest, _ = strings.Cut(rest, sep)
			rest = strings.TrimSpace(rest)
			if !yield(strings.TrimSpace(entry)) {
				return
			}
		}
	}
}

// perhaps names the known word that was probably meant, as the end of a sentence.
func perhaps(word string, known []string) string {
	if n := config.Nearest(word, known); n != "" {
		return fmt.Sprintf(" (perhaps %s)", n)
	}
	return ""
}
