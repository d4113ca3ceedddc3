package config

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// HeaderEdits are what becomes of the fields of a head: first Remove, then Set, then Add.
type HeaderEdits struct {
	Remove []string // names in lower case, sorted: all fields of them go
	Set    []Header // in place of all fields of the name. Values have variables: see [ParseTemplate]
	Add    []Header // besides the fields of the name that are there
}

var (
	requestEditsBlock  = headerEdits(fieldsSet{"host": "write host_rewrite or preserve_host of the route"})
	responseEditsBlock = headerEdits(fieldsSet{"host": "a response has none"})
)

// headerEdits are edits of a head, but for the fields except and those of framing.
func headerEdits(except fieldsSet) *block[HeaderEdits] {
	written := func(what, edit string) kind[[]Header] {
		return headerFields(what, headerTemplate, func(d *decoder, key *yaml.Node) string {
			name := editableName(d, key, edit, except)
			if strings.HasPrefix(name, "x-forwarded-") {
				d.problem(key, "%s cannot be %s: the gateway tells by it who the client is (remove is possible)", name,
					edit)
				return ""
			}
			return name
		})
	}
	return &block[HeaderEdits]{
		form: `{set: {x-route: "${route}"}}`,
		fields: []field[HeaderEdits]{
			at("set", func(e *HeaderEdits) *[]Header { return &e.Set }, written("set", "set")).optional(),
			at("add", func(e *HeaderEdits) *[]Header { return &e.Add }, written("add", "added")).optional(),
			at("remove", func(e *HeaderEdits) *[]string { return &e.Remove }, removedNames(except)).optional(),
		},
		end: func(d *decoder, n *yaml.Node, _ *HeaderEdits) {
			if len(n.Content) == 0 {
				d.problem(n, "want at least one of set, add, remove (seen an empty mapping)")
			}
		},
	}
}

// removedNames is a list of names that a head shall not have.
func removedNames(except fieldsSet) kind[[]string] {
	return listOf(kind[string]{
		decode: func(d *decoder, n *yaml.Node, v *string) { *v = editableName(d, n, "removed", except) },
		encode: func(e *encoder, v *string) { e.text(*v) },
	}).then(unordered("name", "leave remove out for none", maxHeaders))
}

// headerTemplate is a value with variables. It is not shown in problems: it may be a secret.
var headerTemplate = headerValue.then(checkUnpadded).then(func(d *decoder, n *yaml.Node, v *string) {
	if _, err := ParseTemplate(*v); err != nil {
		d.problem(n, "%s", err)
	} else if other := foreignVariable(*v); other != "" {
		d.problem(n, "want ${name} for a variable: %s would be sent as it is", shown(other))
	}
})
