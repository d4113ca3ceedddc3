package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Operator is how a value is compared with the one that a route wants.
type Operator uint8

const (
	Exact Operator = iota
	Prefix
	Suffix
	Contains
	Regex   // RE2, for the whole value
	Present // the field or parameter is there, whatever its value
)

var operatorNames = [...]string{"exact", "prefix", "suffix", "contains", "regex", "present"}

// String is the key of the document.
func (o Operator) String() string { return operatorNames[o] }

// ValueMatch is what a header or a query parameter must be like. Of several values of one name one has to fit.
type ValueMatch struct {
	Name       string
	Operator   Operator
	Value      string // that is wanted; empty with Present
	IgnoreCase bool   // of ASCII letters
	Invert     bool   // what fits does not, and what does not fit does
}

// key is the same for two that fit the same. Two patterns may fit the same and look otherwise.
func (m *ValueMatch) key() string {
	value := m.Value
	if m.IgnoreCase && m.Operator != Regex { // \d is not \D
		value = strings.Map(lowerASCII, value)
	}
	return strconv.Quote(m.Name) + m.Operator.String() + either(m.IgnoreCase, " i", "") + either(m.Invert, " !", "") +
		strconv.Quote(value)
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r | 0x20
	}
	return r
}

// operators is what a value of a mapping may be, besides the text that is wanted. exact is the kind of whole values,
// and value that of their parts.
func operators(exact, value kind[string]) *block[ValueMatch] {
	of := func(op Operator, k kind[string]) field[ValueMatch] {
		return at(op.String(), func(m *ValueMatch) *ValueMatch { return m }, kind[ValueMatch]{
			decode: func(d *decoder, n *yaml.Node, m *ValueMatch) {
				m.Operator = op
				k.decode(d, n, &m.Value)
			},
			encode: func(e *encoder, m *ValueMatch) { e.text(m.Value) },
		}).when(func(m *ValueMatch) bool { return m.Operator == op })
	}
	present := at(Present.String(), func(m *ValueMatch) *ValueMatch { return m }, kind[ValueMatch]{
		decode: func(d *decoder, n *yaml.Node, m *ValueMatch) {
			m.Operator = Present
			is := true
			flag.decode(d, n, &is)
			m.Invert = m.Invert != !is
		},
		encode: func(e *encoder, m *ValueMatch) { e.bool(!m.Invert) },
	}).when(func(m *ValueMatch) bool { return m.Operator == Present })
	invert := kind[bool]{
		decode: func(d *decoder, n *yaml.Node, v *bool) {
			is := false
			flag.decode(d, n, &is)
			*v = *v != is // present: false is an inversion too
		},
		encode: flag.encode,
	}
	return &block[ValueMatch]{
		form: "{prefix: a-}",
		fields: []field[ValueMatch]{
			of(Exact, exact), of(Prefix, value.then(checkSome)), of(Suffix, value.then(checkSome)),
			of(Contains, value.then(checkSome)), of(Regex, value.thenCheck(checkRegex)), present,
			at("ignore_case", func(m *ValueMatch) *bool { return &m.IgnoreCase }, flag).optional(),
			at("invert", func(m *ValueMatch) *bool { return &m.Invert }, invert).
				when(func(m *ValueMatch) bool { return m.Invert && m.Operator != Present }),
		},
		end: func(d *decoder, n *yaml.Node, m *ValueMatch) {
			var ops []string
			for _, op := range operatorNames {
				if has(n, op) {
					ops = append(ops, op)
				}
			}
			switch {
			case len(ops) != 1:
				d.problem(n, "want exactly one of %s (seen %s)", strings.Join(operatorNames[:], ", "),
					either(len(ops) == 0, "none", strings.Join(ops, " and ")))
			case m.Operator == Present && has(n, "ignore_case"):
				d.problemIn(n, "ignore_case", "present has no value to compare, so it has no ignore_case")
			}
		},
	}
}

func checkSome(d *decoder, n *yaml.Node, v *string) {
	if *v == "" {
		d.problem(n, `want some text: any value has an empty one (for "it is there" write present: true)`)
	}
}

func checkUnpadded(d *decoder, n *yaml.Node, v *string) {
	if strings.Trim(*v, " \t") != *v {
		d.problem(n, "want a value without space around it: none is left when it arrives")
	}
}

// valueMatches is a mapping of names to what their values must be like; what says which of the two it is.
func valueMatches(what string, name func(d *decoder, key *yaml.Node) (string, bool), exact, value kind[string],
) kind[[]ValueMatch] {
	b := operators(exact, value)
	return kind[[]ValueMatch]{
		decode: func(d *decoder, n *yaml.Node, v *[]ValueMatch) {
			if !d.isMapping(n, either(what == "query", `{page: "1"}`, `{x-canary: "1"}`)) {
				return
			}
			var list []ValueMatch
			for i := 0; i+1 < len(n.Content); i += 2 {
				m, ok := ValueMatch{}, false
				if m.Name, ok = name(d, n.Content[i]); !ok {
					continue
				}
				d.enter(m.Name)
				if n.Content[i+1].Kind == yaml.MappingNode {
					b.decode(d, n.Content[i+1], &m)
				} else {
					exact.decode(d, n.Content[i+1], &m.Value)
				}
				d.leave()
				list = append(list, m)
			}
			slices.SortStableFunc(list, func(a, b ValueMatch) int { return cmp.Compare(a.Name, b.Name) })
			for i := 1; i < len(list); i++ {
				if list[i].Name == list[i-1].Name {
					d.problem(n, "%s %s is there twice%s", either(what == "query", "parameter", "field"), list[i].Name,
						either(what == "query", "", ": names do not differ by case"))
				}
			}
			if len(n.Content) == 0 {
				d.problem(n, "want at least one %s, leave %s out for none (seen an empty mapping)",
					either(what == "query", "parameter", "field"), what)
			}
			*v = list
		},
		encode: func(e *encoder, v *[]ValueMatch) {
			e.open('{')
			for i := range *v {
				m := &(*v)[i]
				e.key(m.Name)
				if m.Operator == Exact && !m.IgnoreCase && !m.Invert {
					e.text(m.Value)
				} else {
					b.encode(e, m)
				}
			}
			e.close('}')
		},
	}
}

// headerName reads the name of a field, in lower case.
func headerName(d *decoder, key *yaml.Node) (string, bool) {
	if !d.isFieldName(key, "match has keys for the host, the path and the method") {
		return "", false
	}
	lower := strings.ToLower(key.Value)
	if strings.Contains(lower, "*") {
		d.problem(key, "want the whole name of a field: a star stands for itself (%s)", seen(key))
		return "", false
	}
	if lower == "host" {
		d.enter(lower)
		d.problem(key, "want match.host for the host")
		d.leave()
		return "", false
	}
	return lower, true
}

// parameterName reads the name of a query parameter, as it is without percent-encoding.
func parameterName(d *decoder, key *yaml.Node) (string, bool) {
	if key.Kind != yaml.ScalarNode || key.Value == "" || len(key.Value) > maxName || checkPrintable(key.Value) != nil {
		d.problem(key, "want the name of a parameter (%s)", seen(key))
		return "", false
	}
	return key.Value, true
}

// unseen is text that is not shown in problems: it may be a secret.
func unseen(check func(s string) string) kind[string] {
	return kind[string]{
		decode: func(d *decoder, n *yaml.Node, v *string) {
			switch wrong := ""; {
			case n.Kind != yaml.ScalarNode:
				d.problem(n, "want text (%s)", seen(n))
			case n.Tag != "!!str":
				d.problem(n, "want text in quotes")
			case len(n.Value) > maxText:
				d.problem(n, "longer than %d bytes (%d bytes)", maxText, len(n.Value))
			default:
				if wrong = check(n.Value); wrong != "" {
					d.problem(n, "%s", wrong)
					return
				}
				*v = n.Value
			}
		},
		encode: func(e *encoder, v *string) { e.text(*v) },
	}
}

// headerValue is text that a field can have.
var headerValue = unseen(func(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }) {
		return "want a value without control bytes"
	}
	return ""
})

// parameterValue is text as it is behind percent-decoding, which may be any.
var parameterValue = unseen(func(string) string { return "" })
