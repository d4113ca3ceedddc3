package config

import (
	"errors"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// With which requests that other sites cause a browser sends a cookie.
const (
	SameSiteLax    = "lax"    // with those that open a page
	SameSiteStrict = "strict" // with none
	SameSiteNone   = "none"   // with all; only a cookie that is Secure
)

// Cookie is one that the gateway gives to clients that have none.
type Cookie struct {
	Name       string        // empty = none
	TTL        time.Duration // 0 = until the client ends its session
	Path       string
	Secure     bool // the client sends it over TLS only
	ForScripts bool // http_only: false. Scripts of a page may read it
	SameSite   string
}

var cookieBlock = block[Cookie]{
	form: "{name: user}",
	fields: []field[Cookie]{
		at("name", func(c *Cookie) *string { return &c.Name }, cookieName),
		at("ttl", func(c *Cookie) *time.Duration { return &c.TTL }, cookieTTL),
		at("path", func(c *Cookie) *string { return &c.Path }, cookiePath),
		at("secure", func(c *Cookie) *bool { return &c.Secure }, flag).optional(),
		at("http_only", func(c *Cookie) *bool { return &c.ForScripts }, not(flag)).optional(),
		at("same_site", func(c *Cookie) *string { return &c.SameSite },
			word(SameSiteLax, SameSiteStrict, SameSiteNone)).
			when(func(c *Cookie) bool { return c.SameSite != SameSiteLax }),
	},
	begin: func(d *decoder, c *Cookie) { c.Path, c.SameSite = "/", SameSiteLax },
	end: func(d *decoder, n *yaml.Node, c *Cookie) {
		if !has(n, "name") {
			d.problem(n, "name is missing")
		}
	},
}

// madeCookie is one that browsers keep.
var madeCookie = cookieBlock.kind().then(func(d *decoder, n *yaml.Node, c *Cookie) {
	prefix := boundPrefix(c.Name)
	if prefix != "" && !c.Secure {
		d.problemIn(n, "name", "want secure: true: browsers require it with %s (seen %s)", prefix, c.Name)
	}
	if prefix == hostPrefix && c.Path != "/" {
		d.problemIn(n, "path", "want /: browsers require it with %s (seen %s)", prefix, c.Path)
	}
	if c.SameSite == SameSiteNone && !c.Secure {
		d.problemIn(n, "same_site", "want secure: true: browsers require it with same_site: none (seen none)")
	}
})

const hostPrefix = "__Host-"

// boundPrefix is what a name begins with that browsers bind to attributes, in any case; else empty.
func boundPrefix(name string) string {
	for _, prefix := range []string{"__Secure-", hostPrefix} {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return prefix
		}
	}
	return ""
}

var cookieName = text(func(s string) (string, error) {
	if !isToken(s) || len(s) > maxName {
		return "", errors.New("want the name of a cookie")
	}
	return s, nil
})

// cookieTTL is in whole seconds: that is how a cookie has it.
var cookieTTL = duration(true).then(func(d *decoder, n *yaml.Node, v *time.Duration) {
	if *v%time.Second != 0 {
		d.problem(n, "want whole seconds (%s)", seen(n))
	}
})

var cookiePath = text(func(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || strings.ContainsFunc(s,
		func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' }) {
		return "", errors.New("want a path that begins with /, without space or ;")
	}
	return s, nil
})
