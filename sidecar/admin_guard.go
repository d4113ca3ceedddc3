package sidecar

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard keeps web pages out. The admin port has no password: it is for who can
// reach it, which is this machine. A page in a browser here can reach it too. So a request that a page made (it has an
// Origin) is refused. Refused too is one for a foreign name that was resolved to us (DNS rebinding: the Host is that
// name).
func guard(next http.Handler, listen string) http.Handler {
	own, _, _ := net.SplitHostPort(listen)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin") // nor shown inside of another page
		switch {
		case r.Header["Origin"] != nil:
			respondText(w, http.StatusForbidden, "refused: the request has an Origin, so a web page made it\n")
		case !ownHost(r, own):
			respondText(w, http.StatusForbidden, "refused: Host is neither loopback nor the address of this port\n")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// ownHost tells whether Host is a name of ours: localhost, a loopback address,
// the listen address, or the address that the connection came to. Without one
// (HTTP/1.0) no browser asks.
func ownHost(r *http.Request, own string) bool {
	name := strings.ToLower(r.Host)
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if name == "" || name == "localhost" || name == strings.ToLower(own) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || ip.Unmap() == reached(r))
}

// reached is the address of ours that the connection came to.
func reached(r *http.Request) netip.Addr {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return at.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
