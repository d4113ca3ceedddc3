package config

import (
	"errors"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Tags is a set of tags: sorted, each on a line of its own. So equal sets are equal values, and keys of maps.
// The zero value is none.
type Tags string

const tagEnd = "\n" // no tag has it

// TagsOf is the set of some tags, of which none comes twice.
func TagsOf(tags ...string) Tags {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	return Tags(strings.Join(tags, tagEnd))
}

// List is the tags in order.
func (t Tags) List() []string {
	if t == "" {
		return nil
	}
	return strings.Split(string(t), tagEnd)
}

// String is "tag v1", or "tags eu, v1"; empty for none.
func (t Tags) String() string {
	switch {
	case t == "":
		return ""
	case t.many():
		return "tags " + strings.Join(t.List(), ", ")
	}
	return "tag " + string(t)
}

// one and many say which of the two keys shows the tags.
func (t Tags) one() bool  { return t != "" && !t.many() }
func (t Tags) many() bool { return strings.Contains(string(t), tagEnd) }

// maxTags bounds the tags that one cluster asks for.
const maxTags = 64

// oneTag is a set with one tag, written as it. The empty text is any.
var oneTag = kind[Tags]{
	decode: func(d *decoder, n *yaml.Node, v *Tags) {
		tag := ""
		consulTag.or("").decode(d, n, &tag)
		*v = Tags(tag)
	},
	encode: func(e *encoder, v *Tags) { e.text(string(*v)) },
}

// manyTags is a list without order, of tags that an instance has all.
var manyTags = kind[Tags]{
	decode: func(d *decoder, n *yaml.Node, v *Tags) {
		var list []string
		tagList.decode(d, n, &list)
		*v = TagsOf(list...)
	},
	encode: func(e *encoder, v *Tags) {
		list := v.List()
		tagList.encode(e, &list)
	},
}

// tagList is without order. Upper and lower case are the same to Consul.
var tagList = listOf(consulTag).then(func(d *decoder, n *yaml.Node, v *[]string) {
	folded := make([]string, len(*v))
	for i, tag := range *v {
		folded[i] = strings.ToLower(tag)
	}
	d.onlyOnce(n, folded)
}).then(unordered("tag", "leave tags out for any", maxTags))

// consulTag may be about anything: other tools keep whole rules in tags.
var consulTag = text(func(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("want a tag")
	case len(s) > maxName:
		return "", errors.New("want a tag of at most 128 bytes")
	}
	return s, checkPrintable(s)
})
