package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// SameAddress tells whether two addresses are one: `:8080`, `0.0.0.0:8080` and
// `[::]:8080` are. A name and an address are never the same: nothing is resolved.
func SameAddress(a, b string) bool { return addressKey(a) == addressKey(b) }

// addressKey is the one form of all ways to write an address.
func addressKey(s string) string {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return s
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip = ip.Unmap(); ip.IsUnspecified() {
			host = ""
		} else {
			host = ip.String()
		}
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}

// anyPort tells whether the kernel chooses the port: two such are never the same.
func anyPort(s string) bool { return strings.HasSuffix(s, ":0") }

// listenAddress may leave out the host (every address) and have port 0.
var listenAddress = text(ListenAddress)

// endpointAddress is where one can connect to.
var endpointAddress = text(EndpointAddress)

// ListenAddress returns the one form of an address to listen on. That is host:port, without a host for every address
// of this machine, and port 0 for one that the kernel chooses. Its error says what is wanted, without what was seen.
func ListenAddress(s string) (string, error) { return checkAddress(s, true) }

// EndpointAddress returns the one form of an address to connect to: host:port, both of them. Its error says what is
// wanted, without what was seen.
func EndpointAddress(s string) (string, error) { return checkAddress(s, false) }

func checkAddress(s string, listen bool) (string, error) {
	host, port, err := net.SplitHostPort(s)
	if scheme, _, ok := strings.Cut(s, "://"); ok {
		return "", fmt.Errorf("want host:port, without %s://", clip(scheme))
	}
	if err != nil && s != "" && strings.Trim(s, "0123456789") == "" {
		if listen {
			return "", fmt.Errorf("want host:port: write :%s", clip(s))
		}
		return "", fmt.Errorf("want host:port: write 127.0.0.1:%s for this machine", clip(s))
	}
	switch {
	case err == nil:
	case strings.Count(s, ":") > 1:
		return "", errors.New("want host:port, an IPv6 address in brackets")
	default:
		return "", errors.New("want host:port, such as 127.0.0.1:8080")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || strconv.FormatUint(number, 10) != port || number == 0 && !listen {
		return "", errors.New("want a port from 1 to 65535")
	}
	if host == "" {
		if listen {
			return ":" + port, nil
		}
		return "", fmt.Errorf("want a host before the port: write 127.0.0.1:%s for this machine", port)
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is6() == (s[0] == '[') && isZone(ip.Zone()) {
		if !listen {
			ip = ip.Unmap()
		}
		return netip.AddrPortFrom(ip, uint16(number)).String(), nil
	}
	if strings.ContainsAny(s, "[]") {
		return "", errors.New("want an IPv6 address inside the brackets")
	}
	host, err = checkHostName(host)
	return net.JoinHostPort(host, port), err
}

// isZone takes what interfaces are called, and no zone at all.
func isZone(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return true
}
