package config

import (
	"errors"

	"go.yaml.in/yaml/v4"
)

// BasicAuth asks for a name and a password (RFC 7617).
type BasicAuth struct {
	File  string // of users, as htpasswd -B writes it; empty = nothing is asked
	Realm string // what browsers show, and keep a password for
}

var basicAuthBlock = block[BasicAuth]{
	form: "{file: users.htpasswd}",
	fields: []field[BasicAuth]{
		at("file", func(a *BasicAuth) *string { return &a.File }, file),
		at("realm", func(a *BasicAuth) *string { return &a.Realm }, realm),
	},
	begin: func(d *decoder, a *BasicAuth) { a.Realm = "restricted" },
	end: func(d *decoder, n *yaml.Node, a *BasicAuth) {
		if !has(n, "file") {
			d.problem(n, "file is missing (such as users.htpasswd)")
		}
	},
}

// realm goes into quotes, so it has neither quotes nor what would quote them.
var realm = text(func(s string) (string, error) {
	const most = 200
	switch {
	case s == "":
		return "", errors.New("want a text that browsers show")
	case len(s) > most:
		return "", errors.New("want at most 200 bytes")
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return "", errors.New(`want printable ASCII without " and \`)
		}
	}
	return s, nil
})
