package sidecar

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// listenAddress checks what we listen on: host:port, no host = every address,
// port 0 = the kernel chooses.
func listenAddress(text string) error {
	host, port, err := hostPort(text)
	if err != nil {
		return err
	}
	if host != "" {
		if err := checkHost(host); err != nil {
			return err
		}
	}
	return checkPort(port, 0)
}

// dialAddress checks what we connect to: host:port, both of them.
func dialAddress(text string) error {
	host, port, err := hostPort(text)
	if err != nil {
		return err
	}
	if host == "" {
		return fmt.Errorf("missing host (on this machine: 127.0.0.1:%s)", port)
	}
	if err := checkHost(host); err != nil {
		return err
	}
	return checkPort(port, 1)
}

func hostPort(text string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(text)
	if bad, ok := errors.AsType[*net.AddrError](err); ok {
		return "", "", errors.New(bad.Err) // without the address: the caller shows it
	}
	return host, port, err
}

func checkPort(text string, least uint64) error {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n < least || strconv.FormatUint(n, 10) != text {
		return fmt.Errorf("%q is not a port (%d to 65535)", text, least)
	}
	return nil
}

// hostBytes are what a host name is made of; RFC 1123 has no underscore, but
// Docker's and Consul's names do.
const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	strange := func(r rune) bool { return !strings.ContainsRune(hostBytes, r) }
	if len(host) > 253 || strings.ContainsFunc(host, strange) || strings.Contains("."+host, "..") || host[0] == '-' {
		return fmt.Errorf("%q is neither a host name nor an address", host)
	}
	return nil
}
