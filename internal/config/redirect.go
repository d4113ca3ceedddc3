package config

import (
	"errors"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Redirect is where a route sends clients. What is empty stays as the request has it.
type Redirect struct {
	Scheme        string // http or https
	Host          string // without a port
	Port          int
	Path          string // the whole path
	PrefixRewrite string // replaces what the match names of the path
	DropQuery     bool
	Status        int // 0 = the route has a cluster
}

var redirectBlock = block[Redirect]{
	form: "{scheme: https}",
	fields: []field[Redirect]{
		at("scheme", func(r *Redirect) *string { return &r.Scheme }, word("http", "https")).optional(),
		at("host", func(r *Redirect) *string { return &r.Host }, redirectHost.or("")).optional(),
		at("port", func(r *Redirect) *int { return &r.Port }, count(1, 65535)).optional(),
		at("path", func(r *Redirect) *string { return &r.Path }, redirectPath).optional(),
		at("prefix_rewrite", func(r *Redirect) *string { return &r.PrefixRewrite }, redirectRewrite).optional(),
		at("query", func(r *Redirect) *bool { return &r.DropQuery }, keepOrDrop).optional(),
		at("status", func(r *Redirect) *int { return &r.Status }, redirectStatus),
	},
	begin: func(d *decoder, r *Redirect) { r.Status = 308 },
	end: func(d *decoder, n *yaml.Node, r *Redirect) {
		switch {
		case has(n, "path") && has(n, "prefix_rewrite"):
			d.problem(n, "want one of path and prefix_rewrite (seen both)")
		case !leadsElsewhere(n):
			d.problem(n, "want one of scheme, host, port, path, prefix_rewrite, or query: drop: "+
				"without any it leads to itself")
		}
	},
}

// leadsElsewhere tells whether a redirect says more than its status.
func leadsElsewhere(n *yaml.Node) bool {
	for key, same := range map[string]string{"scheme": "", "host": "", "port": "", "path": "", "prefix_rewrite": "",
		"query": queryKeep} {
		if v := valueOf(n, key); v != nil && v.Value != same {
			return true
		}
	}
	return false
}

// What becomes of the query.
const (
	queryKeep = "keep"
	queryDrop = "drop"
)

var keepOrDrop = kind[bool]{
	decode: func(d *decoder, n *yaml.Node, v *bool) {
		s := queryKeep
		word(queryKeep, queryDrop).decode(d, n, &s)
		*v = s == queryDrop
	},
	encode: func(e *encoder, v *bool) { e.text(either(*v, queryDrop, queryKeep)) },
}

var redirectHost = text(checkHost)

// redirectPath is a whole path as it goes out. A query would be one of two.
var redirectPath = text(func(s string) (string, error) {
	if err := checkOneSlash(s); err != nil {
		return "", err
	}
	if err := checkNoVariables(s); err != nil {
		return "", err
	}
	return s, checkPathForm(s)
})

var redirectRewrite = text(func(s string) (string, error) {
	if err := checkOneSlash(s); err != nil {
		return "", err
	}
	return checkRewrite(s)
})

// checkOneSlash refuses a path that browsers take for another host, which they do with a backslash too.
func checkOneSlash(s string) error {
	if strings.HasPrefix(s, "//") || strings.HasPrefix(s, `/\`) {
		return errors.New("want a path that begins with one slash: host: names another host")
	}
	return nil
}

var redirectStatus = kind[int]{
	decode: func(d *decoder, n *yaml.Node, v *int) {
		if s, ok := d.scalar(n, redirectStatuses, "!!int"); ok {
			switch s {
			case "301", "302", "303", "307", "308":
				*v, _ = strconv.Atoi(s)
			default:
				d.problem(n, "want %s (seen %s)", redirectStatuses, shown(s))
			}
		}
	},
	encode: func(e *encoder, v *int) { e.int(int64(*v)) },
}

// redirectStatuses are those that lead elsewhere (RFC 9110 section 15.4).
const redirectStatuses = "one of 301, 302, 303, 307, 308"
