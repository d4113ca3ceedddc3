package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// matchHost is what a Host field may say, lower-case and without port: a name,
// "*.example.com" for any depth below, or an address.
var matchHost = text(HostPattern)

// serverName is what a ClientHello may name; "*" stands for whatever no other names.
var serverName = text(func(s string) (string, error) {
	if s == "*" {
		return s, nil
	}
	return HostPattern(s)
})

// authority is what we write as Host: a host, and a port if wanted.
var authority = text(func(s string) (string, error) {
	if strings.Contains(s, ":") && !strings.HasSuffix(s, "]") {
		return checkAddress(s, false)
	}
	return checkHost(s)
})

// certificateName is what a peer's certificate must be for: a name or an address.
var certificateName = text(func(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		return ip.String(), nil
	}
	return checkHostName(s)
})

// HostPattern returns the one form of what a route's host may be: lower-case and without a port. Its error says what is
// wanted, without what was seen.
func HostPattern(s string) (string, error) {
	if s == "*" {
		return "", errors.New("want a name after the *, leave the host out for any")
	}
	rest, wild := strings.CutPrefix(s, "*.")
	if !wild {
		return checkHost(s)
	}
	rest, err := checkHostName(rest)
	return "*." + rest, err
}

// checkHost takes a name, an IPv4 address, or an IPv6 address in brackets.
func checkHost(s string) (string, error) {
	if inner, ok := strings.CutPrefix(s, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		ip, err := netip.ParseAddr(inner)
		if !ok || err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", errors.New("want an IPv6 address inside the brackets, and no port")
		}
		return "[" + ip.String() + "]", nil
	}
	if ip, err := netip.ParseAddr(s); err == nil && ip.Is4() {
		return s, nil
	}
	return checkHostName(s)
}

// checkHostName takes a DNS name, also with underscores as some networks have
// them, and makes it lower-case.
func checkHostName(s string) (string, error) {
	switch scheme, _, schemed := strings.Cut(s, "://"); {
	case s == "":
		return "", errors.New("want a host name")
	case len(s) > 253:
		return "", errors.New("want a host name of at most 253 bytes")
	case schemed:
		return "", fmt.Errorf("want a host without %s://", clip(scheme))
	case strings.Contains(s, ":"):
		return "", errors.New("want a host without a port")
	case strings.HasSuffix(s, "."):
		return "", errors.New("want a host without a dot at its end")
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return "", errors.New("want a host name of letters, digits, - and _ between its dots")
		}
		last = label
	}
	if strings.Trim(last, "0123456789") == "" {
		return "", errors.New("want an address of four numbers without leading zeros, or a name that does not end " +
			"in a number")
	}
	return strings.ToLower(s), nil
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}
