package config

import (
	"errors"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Consul names the catalog service whose instances are endpoints.
type Consul struct {
	Service     string // empty = none
	Tags        Tags   // of which an instance has all
	Filter      string // in Consul's expression language, which Consul evaluates; empty = none
	Port        string // name of one of the ports of an instance; empty = its default port
	Datacenter  string
	OnlyPassing bool // leave out instances with warnings

	// Prefer is which instances come first, PreferNode or PreferZone; empty = all are alike. The others take what is
	// too much for them.
	Prefer string

	// EmptyHold is how long the last instances stay in use after the catalog has
	// confirmed that none is registered; 0 = not at all. A longer time lets an agent be away longer with its services.
	// It also makes clients of a service that is really gone wait longer for connections before they hear of it.
	EmptyHold time.Duration
}

// Which instances a cluster prefers: those on the node of the gateway, or in its zone.
const (
	PreferNode = "node"
	PreferZone = "zone"
)

// standardEmptyHold outlasts the restart of an agent, which takes its node's
// services out of the catalog for some seconds.
const standardEmptyHold = 30 * time.Second

var consulBlock = block[Consul]{
	form: "{service: orders}",
	fields: []field[Consul]{
		at("service", func(c *Consul) *string { return &c.Service }, serviceName),
		at("tag", func(c *Consul) *Tags { return &c.Tags }, oneTag).when(func(c *Consul) bool { return c.Tags.one() }),
		at("tags", func(c *Consul) *Tags { return &c.Tags }, manyTags).when(
			func(c *Consul) bool { return c.Tags.many() }),
		at("filter", func(c *Consul) *string { return &c.Filter }, consulFilter.or("")).optional(),
		at("port", func(c *Consul) *string { return &c.Port }, consulPort.or("")).optional(),
		at("datacenter", func(c *Consul) *string { return &c.Datacenter }, name.or("")).optional(),
		at("only_passing", func(c *Consul) *bool { return &c.OnlyPassing }, flag).optional(),
		at("prefer", func(c *Consul) *string { return &c.Prefer }, word(PreferNode, PreferZone)).optional(),
		at("empty_hold", func(c *Consul) *time.Duration { return &c.EmptyHold }, duration(true)),
	},
	begin: func(d *decoder, c *Consul) { c.EmptyHold = standardEmptyHold },
	end: func(d *decoder, n *yaml.Node, c *Consul) {
		if !has(n, "service") {
			d.problem(n, "service is missing")
		}
		if has(n, "tag") && has(n, "tags") {
			d.problem(n, "want one of tag and tags (seen both)")
		}
	},
}

// String says what is followed: "consul service orders, tag v1", or "consul service orders, tags eu, v1, filter ...".
func (c Consul) String() string {
	s := "consul service " + c.Service
	if c.Tags != "" {
		s += ", " + c.Tags.String()
	}
	if c.Filter != "" {
		s += ", filter " + c.Filter
	}
	if c.Port != "" {
		s += ", port " + c.Port
	}
	if c.Datacenter != "" {
		s += ", datacenter " + c.Datacenter
	}
	return s
}

// followPrefix begins the name of a cluster that need not be defined: consul:SERVICE or consul:SERVICE@TAG.
const followPrefix = "consul:"

// follow defines the cluster of that name, where the name says which service it follows.
func (d *decoder) follow(name string) bool {
	what, ok := strings.CutPrefix(name, followPrefix)
	service, tag, tagged := strings.Cut(what, "@")
	if !ok || service == "" || tagged && tag == "" {
		return false
	}
	if _, err := checkService(service); err != nil {
		return false
	}
	if d.forked {
		d.total++ // the problem is that another one cannot know of the cluster
		return true
	}
	var c Cluster
	clusterBlock.begin(d, &c)
	c.Name, c.Consul = name, Consul{Service: service, Tags: Tags(tag), EmptyHold: standardEmptyHold}
	d.names[nameKey{"clusters", name}] = place{part: d.part, base: d.base, line: 1, column: 1}
	d.clusters[name] = len(d.doc.Clusters)
	d.doc.Clusters = append(d.doc.Clusters, c)
	return true
}

// followed says of a name that begins as one of a service, and is none, how such a name is written.
func followed(k kind[string]) kind[string] {
	decode := k.decode
	k.decode = func(d *decoder, n *yaml.Node, v *string) {
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && !d.claimed("clusters", n.Value) {
			if want := wantsService(n.Value); want != "" {
				d.problem(n, "%s (%s)", want, seen(n))
				return
			}
		}
		decode(d, n, v)
	}
	return k
}

// wantsService says what to write in place of the name of a cluster that was meant to follow a service. It is empty
// where the name was not meant so, or does follow one.
func wantsService(name string) string {
	if len(name) < len(followPrefix) || !strings.EqualFold(name[:len(followPrefix)], followPrefix) {
		return ""
	}
	const want = "want consul:SERVICE or consul:SERVICE@TAG"
	service, tag, tagged := strings.Cut(name[len(followPrefix):], "@")
	_, wrong := checkName(name)
	switch {
	case tagged && strings.ContainsAny(tag, ", "):
		return want + ": several tags are tags of a cluster under clusters"
	case wrong != nil, name[:len(followPrefix)] != followPrefix, service == "", tagged && tag == "",
		strings.HasPrefix(service, "/"):
		return want
	}
	return ""
}

// maxService is longer than any name that Consul's own DNS could tell.
const maxService = 512

// serviceName is what Consul takes as the name of a service: anything, though it warns of what cannot be
// told by DNS. Only names that its HTTP API could not be queried for are refused.
var serviceName = text(checkService)

func checkService(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("a name is needed")
	case len(s) > maxService:
		return "", errors.New("want a name of at most 512 bytes")
	case strings.HasPrefix(s, "/"), strings.Contains(s, "//"), slices.ContainsFunc(strings.Split(s, "/"), isDots):
		return "", errors.New("want a name without empty segments, . or .. between slashes")
	}
	return s, checkPrintable(s)
}

func isDots(s string) bool { return s == "." || s == ".." }

// consulPort is the name of a port as instances are registered with it. Upper and lower case differ to Consul.
var consulPort = kind[string]{
	decode: func(d *decoder, n *yaml.Node, v *string) {
		if n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
			d.problem(n,
				"want the name of a port as instances are registered with it, leave port out for their own (%s)",
				seen(n))
			return
		}
		portName.decode(d, n, v)
	},
	encode: portName.encode,
}

var portName = text(func(s string) (string, error) {
	if len(s) > maxName {
		return "", errors.New("want the name of a port, of at most 128 bytes")
	}
	return s, checkPrintable(s)
})
