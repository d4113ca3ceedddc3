package config

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Names tie a revision together and appear in metrics, logs and URLs, so they
// are plain.

const maxName = 128

// name is what a listener, route or cluster is called.
var name = text(checkName)

func checkName(s string) (string, error) {
	if s == "" {
		return "", errors.New("a name is needed")
	}
	if len(s) > maxName {
		return "", errors.New("want a name of at most 128 bytes")
	}
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return "", errors.New("want a name of letters, digits and . _ - / : @ + ~")
		}
	}
	return s, nil
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '.' || c == '_' || c == '-' || c == '/' || c == ':' || c == '@' || c == '+' || c == '~'
}

type nameKey struct{ section, name string }

// claim takes a name for an item of a section, or reports who has it.
func (d *decoder) claim(n *yaml.Node, section, name string) {
	if name == "" {
		if !has(n, "name") {
			d.problem(n, "name is missing")
		}
		return // else it was reported when it was read
	}
	key := nameKey{section, name}
	if first, taken := d.names[key]; taken {
		d.problemIn(n, "name", "the name %s is taken (%s)", name, d.at(first))
		return
	}
	d.names[key] = d.here(n)
}

// isTaken tells whether what the bootstrap adds has to give way: the document
// itself has such an item.
func (d *decoder) isTaken(first place, taken bool) bool { return d.base && taken && !first.base }

// nameTaken is isTaken for a name.
func (d *decoder) nameTaken(section, name string) bool {
	first, taken := d.names[nameKey{section, name}]
	return d.isTaken(first, taken)
}

// claimed tells whether an item of a section has the name.
func (d *decoder) claimed(section, name string) bool {
	_, taken := d.names[nameKey{section, name}]
	return taken
}

// reference is the name of something that must be there; what says how such a
// thing is called and which there are. It stays quiet when the item that is
// meant is there but broken.
func reference(what string, known func(d *decoder, name string) bool, all func(d *decoder) []string) kind[string] {
	return name.then(func(d *decoder, n *yaml.Node, v *string) {
		if known(d, *v) {
			return
		}
		if d.total >= maxProblems {
			d.problem(n, "%s %s is not defined", what, *v)
			return
		}
		d.problem(n, "%s %s is not defined (%s)", what, *v, knownNames(*v, all(d)))
	})
}

// namesOf lists a section's names.
func (d *decoder) namesOf(section string) []string {
	var names []string
	for k := range d.names {
		if k.section == section {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// clusterName is the name of a cluster. One that says which service it follows need not be defined.
var clusterName = followed(reference("cluster",
	func(d *decoder, name string) bool { return d.claimed("clusters", name) || d.follow(name) },
	func(d *decoder) []string { return d.namesOf("clusters") }))

var listenerName = reference("listener",
	func(d *decoder, name string) bool { return d.claimed("listeners", name) },
	func(d *decoder) []string { return d.namesOf("listeners") })
