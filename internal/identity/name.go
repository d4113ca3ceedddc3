package identity

import (
	"crypto/x509"
	"net/netip"
	"strings"
)

// Kind is what sort of name one is.
type Kind uint8

// The kinds of names of subjectAltName (RFC 5280 section 4.2.1.6).
const (
	URI Kind = iota + 1
	DNS
	Email
	IP
)

// Name is one name of a certificate, in the form in which it is compared.
type Name struct {
	Kind Kind
	Text string
}

// Names are all names of a certificate. What is not printable ASCII is left out: no pattern could name it.
func Names(c *x509.Certificate) []Name {
	var all []Name
	add := func(kind Kind, text string) {
		if printable(text) {
			all = append(all, Name{kind, text})
		}
	}
	for _, u := range c.URIs {
		add(URI, uniformURI(u.String()))
	}
	for _, d := range c.DNSNames {
		add(DNS, lower(d))
	}
	for _, e := range c.EmailAddresses {
		add(Email, uniformEmail(e))
	}
	for _, ip := range c.IPAddresses {
		if addr, ok := netip.AddrFromSlice(ip); ok {
			add(IP, addr.Unmap().String())
		}
	}
	return all
}

// uniformURI has scheme and authority in lower case, in which case means nothing (RFC 3986 section 6.2.2.1).
func uniformURI(u string) string {
	scheme, rest, ok := strings.Cut(u, ":")
	if !ok {
		return u
	}
	after, hierarchical := strings.CutPrefix(rest, "//")
	if !hierarchical {
		return lower(scheme) + ":" + rest
	}
	end := strings.IndexAny(after, "/?#")
	if end < 0 {
		end = len(after)
	}
	return lower(scheme) + "://" + lower(after[:end]) + after[end:]
}

// uniformEmail has the domain in lower case; of the rest only its host knows (RFC 5321 section 2.4).
func uniformEmail(e string) string {
	i := strings.LastIndexByte(e, '@')
	return e[:i+1] + lower(e[i+1:])
}

// lower makes ASCII letters lower-case ones.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r | 0x20
		}
		return r
	}, s)
}

// printable tells whether s is ASCII without blanks and control bytes.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}
