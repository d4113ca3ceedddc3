package config

import (
	"errors"

	"go.yaml.in/yaml/v4"
)

// Consul names the catalog service whose instances are endpoints.
type Consul struct {
	Service     string // empty = none
	Tag         string
	Datacenter  string
	OnlyPassing bool // leave out instances with warnings
}

var consulBlock = block[Consul]{
	fields: []field[Consul]{
		at("service", func(c *Consul) *string { return &c.Service }, name),
		at("tag", func(c *Consul) *string { return &c.Tag }, consulTag).optional(),
		at("datacenter", func(c *Consul) *string { return &c.Datacenter }, name.or("")).optional(),
		at("only_passing", func(c *Consul) *bool { return &c.OnlyPassing }, flag).optional(),
	},
	end: func(d *decoder, n *yaml.Node, c *Consul) {
		if !has(n, "service") {
			d.problem(n, "service is missing")
		}
	},
}

// consulTag may be about anything: other tools keep whole rules in tags.
var consulTag = text(func(s string) (string, error) {
	if len(s) > maxName {
		return "", errors.New("want a tag of at most 128 bytes")
	}
	return s, checkPrintable(s)
})
