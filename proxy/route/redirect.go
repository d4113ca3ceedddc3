package route

import (
	"bytes"
	"strconv"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// AppendLocation appends where the route of d, which redirects, sends the client c with its request h. It is a path
// alone where the route names neither scheme nor host nor port: then the scheme of the client does not matter. Such a
// path never begins with two slashes, or a slash and a backslash, which would name another host.
func (d *Decision) AppendLocation(dst []byte, h *message.Head, c *Client) []byte {
	r := &d.Route.Config.Redirect
	start := len(dst)
	if r.Scheme != "" || r.Host != "" || r.Port != 0 {
		dst = appendOrigin(dst, r, h, c)
	}
	alone := len(dst) == start
	switch {
	case r.Path != "":
		dst = append(dst, r.Path...)
	case r.PrefixRewrite != "":
		dst = d.AppendRewritten(dst, h, r.PrefixRewrite)
	case len(h.Path) == 0 || h.Path[0] != '/': // the whole server (RFC 9110 section 9.3.7)
		dst = append(dst, '/')
	default:
		dst = append(dst, h.Path...)
	}
	if alone {
		dst = oneSlash(dst, start)
	}
	if h.Query != nil && !r.DropQuery {
		dst = append(append(dst, '?'), h.Query...)
	}
	return dst
}

// appendOrigin appends scheme, host and port, or nothing where the host is not known (HTTP/1.0).
func appendOrigin(dst []byte, r *config.Redirect, h *message.Head, c *Client) []byte {
	came := clientScheme(h, c)
	scheme, host, port := came, h.Authority, []byte(nil)
	if end := hostEnd(h.Authority); end < len(h.Authority) {
		host, port = h.Authority[:end], h.Authority[end:]
	}
	if r.Scheme != "" {
		scheme = r.Scheme
	}
	if len(host) == 0 && r.Host == "" {
		return dst
	}
	dst = append(append(dst, scheme...), "://"...)
	if r.Host != "" {
		dst = append(dst, r.Host...)
	} else {
		dst = append(dst, host...)
	}
	switch {
	case r.Port == standardPort(scheme):
	case r.Port != 0:
		dst = strconv.AppendInt(append(dst, ':'), int64(r.Port), 10)
	case scheme == came: // a port has one scheme
		dst = append(dst, port...)
	}
	return dst
}

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

func standardPort(scheme string) int {
	if scheme == schemeHTTPS {
		return 443
	}
	return 80
}

// clientScheme is how the client came, as a trusted proxy tells it.
func clientScheme(h *message.Head, c *Client) string {
	if c.Trusted && h.Present.Has(message.XForwardedProto) {
		switch proto := h.Get(message.XForwardedProto); {
		case message.EqualFold(proto, schemeHTTPS):
			return schemeHTTPS
		case message.EqualFold(proto, schemeHTTP):
			return schemeHTTP
		}
	}
	if c.Scheme == telemetry.SchemeHTTPS {
		return schemeHTTPS
	}
	return schemeHTTP
}

// oneSlash drops slashes and backslashes behind the slash at start.
func oneSlash(b []byte, start int) []byte {
	rest := bytes.TrimLeft(b[start+1:], `/\`)
	return append(b[:start+1], rest...)
}

// AppendRewritten appends the path of h with rewrite in place of the prefix, or of the whole path, as the route of d
// matches either. Where the path begins with the prefix as it came, the rest has the bytes that came.
func (d *Decision) AppendRewritten(dst []byte, h *message.Head, rewrite string) []byte {
	rest, n := h.Path, len(d.Route.prefix)
	if len(rest) >= n && string(rest[:n]) == d.Route.prefix && config.StaysBelow(rest[n:]) {
		rest = rest[n:]
	} else {
		rest = d.Path(h)[n:]
	}
	if rewrite != "/" {
		dst = append(dst, rewrite...)
	} else if len(rest) == 0 {
		dst = append(dst, '/')
	}
	return append(dst, rest...)
}
