package config

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Match is what a request must be like; what is empty does not restrict.
type Match struct {
	Host       string        // lower-case, exact or "*.example.com"
	PathPrefix string        // whole segments, normalised; "/" or without trailing slash
	Methods    []string      // sorted
	Headers    []HeaderMatch // sorted by name
}

// HeaderMatch is one field that must have exactly this value.
type HeaderMatch struct {
	Name  string // lower-case
	Value string
}

var matchBlock = block[Match]{
	form: "{path_prefix: /api}",
	fields: []field[Match]{
		at("host", func(m *Match) *string { return &m.Host }, matchHost.or("")).optional(),
		at("path_prefix", func(m *Match) *string { return &m.PathPrefix }, pathPrefix),
		at("methods", func(m *Match) *[]string { return &m.Methods }, methods).optional(),
		at("headers", func(m *Match) *[]HeaderMatch { return &m.Headers }, headers).optional(),
	},
}

// methods is a list without order.
var methods = listOf(text(func(s string) (string, error) {
	switch {
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

// headers is a mapping of field names to the values they must have.
var headers = kind[[]HeaderMatch]{
	decode: func(d *decoder, n *yaml.Node, v *[]HeaderMatch) {
		if !d.isKind(n, yaml.MappingNode) {
			return
		}
		var list []HeaderMatch
		for i := 0; i+1 < len(n.Content); i += 2 {
			if h, ok := d.header(n.Content[i], n.Content[i+1]); ok {
				list = append(list, h)
			}
		}
		slices.SortStableFunc(list, func(a, b HeaderMatch) int { return cmp.Compare(a.Name, b.Name) })
		for i := 1; i < len(list); i++ {
			if list[i].Name == list[i-1].Name {
				d.problem(n, "field %s is there twice: names do not differ by case", list[i].Name)
			}
		}
		if len(n.Content) == 0 {
			d.problem(n, "want at least one field, leave headers out for none (seen an empty mapping)")
		}
		*v = list
	},
	encode: func(e *encoder, v *[]HeaderMatch) {
		e.open('{')
		for _, h := range *v {
			e.key(h.Name)
			e.text(h.Value)
		}
		e.close('}')
	},
}

// header reads one pair. The value is not shown in problems: it may be a secret.
func (d *decoder) header(key, value *yaml.Node) (h HeaderMatch, ok bool) {
	if key.Kind != yaml.ScalarNode || !isToken(key.Value) || len(key.Value) > maxName {
		d.problem(key, "want the name of a field (%s)", seen(key))
		return h, false
	}
	h.Name = strings.ToLower(key.Value)
	d.enter(h.Name)
	defer d.leave()
	switch {
	case h.Name == "host":
		d.problem(key, "want match.host for the host")
	case value.Kind != yaml.ScalarNode:
		d.problem(value, "want text (%s)", seen(value))
	case value.Tag != "!!str":
		d.problem(value, "want text in quotes")
	case len(value.Value) > maxText:
		d.problem(value, "longer than %d bytes (%d bytes)", maxText, len(value.Value))
	case strings.Trim(value.Value, " \t") != value.Value:
		d.problem(value, "want a value without space around it: none is left when it arrives")
	case strings.ContainsFunc(value.Value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }):
		d.problem(value, "want a value without control bytes")
	default:
		h.Value = value.Value
		return h, true
	}
	return h, false
}
