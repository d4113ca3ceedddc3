package config

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Match is what a request must be like; what is empty does not restrict. Exactly one of Path, PathRegex and PathPrefix
// is set.
type Match struct {
	Hosts      []string       // sorted; each lower-case, exact or "*.example.com"; the same route under each of them
	Path       string         // the whole path, normalised
	PathRegex  string         // RE2; for the whole path, normalised
	PathPrefix string         // whole segments, normalised; "/" or without trailing slash
	Methods    []string       // sorted
	Headers    []ValueMatch   // sorted by name, which is lower-case
	Query      []ValueMatch   // sorted by name
	Source     []netip.Prefix // networks, of one of which the client's address must be; sorted
}

var matchBlock = block[Match]{
	form: "{path_prefix: /api}",
	fields: []field[Match]{
		at("host", func(m *Match) *[]string { return &m.Hosts }, oneHost).when((*Match).oneHost),
		at("hosts", func(m *Match) *[]string { return &m.Hosts }, hosts).when((*Match).manyHosts),
		at("path", func(m *Match) *string { return &m.Path }, exactPath).optional(),
		at("path_regex", func(m *Match) *string { return &m.PathRegex }, pathRegex).optional(),
		at("path_prefix", func(m *Match) *string { return &m.PathPrefix }, pathPrefix).optional(),
		at("methods", func(m *Match) *[]string { return &m.Methods }, methods).optional(),
		at("headers", func(m *Match) *[]ValueMatch { return &m.Headers },
			valueMatches("headers", headerName, headerValue.then(checkUnpadded), headerValue)).optional(),
		at("query", func(m *Match) *[]ValueMatch { return &m.Query },
			valueMatches("query", parameterName, parameterValue, parameterValue)).optional(),
		at("source", func(m *Match) *[]netip.Prefix { return &m.Source },
			listOf(network).then(checkNetworks("source"))).optional(),
	},
	end: func(d *decoder, n *yaml.Node, m *Match) {
		if has(n, "host") && has(n, "hosts") {
			d.problem(n, "want one of host and hosts (seen both)")
		}
		var paths []string
		for _, key := range []string{"path", "path_regex", "path_prefix"} {
			if has(n, key) {
				paths = append(paths, key)
			}
		}
		switch {
		case len(paths) > 1:
			d.problem(n, "want one of path, path_regex and path_prefix (seen %s)", strings.Join(paths, " and "))
		case len(paths) == 1 && paths[0] != "path_prefix":
			m.PathPrefix = ""
		}
	},
}

// oneHost and manyHosts say which of the two keys shows the hosts.
func (m *Match) oneHost() bool   { return len(m.Hosts) == 1 }
func (m *Match) manyHosts() bool { return len(m.Hosts) > 1 }

// maxHosts bounds what one route adds to the table.
const maxHosts = 1000

// hosts is a list without order.
var hosts = listOf(matchHost).then(unordered("host", "leave hosts out for any", maxHosts))

// unordered sorts a list without order. It wants at least one item and at most so many, none of them twice. instead
// says what to write in place of an empty list.
func unordered(item, instead string, most int) func(*decoder, *yaml.Node, *[]string) {
	return func(d *decoder, n *yaml.Node, v *[]string) {
		switch {
		case len(*v) == 0:
			d.problem(n, "want at least one %s, %s (seen an empty list)", item, instead)
		case len(*v) > most:
			d.problem(n, "want at most %d %ss (seen %d)", most, item, len(*v))
		}
		d.onlyOnce(n, *v)
		slices.Sort(*v)
	}
}

// oneHost is a list with one item, written as it. The empty text is any host.
var oneHost = kind[[]string]{
	decode: func(d *decoder, n *yaml.Node, v *[]string) {
		if n.Kind == yaml.SequenceNode {
			d.problem(n, "want one host, write hosts for several (seen a list)")
			return
		}
		host := ""
		matchHost.or("").decode(d, n, &host)
		if *v = nil; host != "" {
			*v = []string{host}
		}
	},
	encode: func(e *encoder, v *[]string) { e.text((*v)[0]) },
}

// methods is a list without order.
var methods = listOf(text(func(s string) (string, error) {
	switch {
	case strings.ContainsAny(s, "|,"):
		return "", errors.New("want one method each: write [GET, HEAD] for GET or HEAD")
	case !isToken(s):
		return "", errors.New("want a method such as GET")
	case s != strings.ToUpper(s):
		return "", errors.New("want a method in upper case: methods differ by case")
	case s == "CONNECT":
		return "", errors.New("CONNECT is refused before any route")
	}
	return s, nil
})).then(func(d *decoder, n *yaml.Node, v *[]string) {
	if len(*v) == 0 {
		d.problem(n, "want at least one method, leave methods out for all (seen an empty list)")
	}
	d.onlyOnce(n, *v)
	slices.Sort(*v)
})

// checkNetworks checks and sorts a list of networks, which the document calls what.
func checkNetworks(what string) func(d *decoder, n *yaml.Node, v *[]netip.Prefix) {
	return func(d *decoder, n *yaml.Node, v *[]netip.Prefix) {
		if len(*v) == 0 {
			d.problem(n, "want at least one network, leave %s out for any (seen an empty list)", what)
		}
		names := make([]string, len(*v))
		for i, p := range *v {
			names[i] = p.String()
		}
		d.onlyOnce(n, names)
		slices.SortFunc(*v, netip.Prefix.Compare)
	}
}

// matchKey is the same for two routes of which only the first could ever take a request to the host.
type matchKey struct{ host, rest string }

// conditions is the same for two matches that differ at most in their hosts.
func (m *Match) conditions(b *strings.Builder) {
	b.WriteString(m.Path + " " + strconv.Quote(m.PathRegex) + " " + m.PathPrefix)
	for _, s := range m.Methods {
		b.WriteString(" " + s)
	}
	for i := range m.Headers {
		b.WriteString("\n" + m.Headers[i].key())
	}
	for i := range m.Query {
		b.WriteString("\n?" + m.Query[i].key())
	}
	for _, p := range m.Source {
		b.WriteString("\n@" + p.String())
	}
}

// anyHost stands for the hosts of a match without any.
var anyHost = []string{""}

// hostsOrAny are the hosts of the match, or anyHost.
func (m *Match) hostsOrAny() []string {
	if len(m.Hosts) == 0 {
		return anyHost
	}
	return m.Hosts
}
