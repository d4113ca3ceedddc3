package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Respond is the response that a route gives itself, without a cluster.
type Respond struct {
	Status      int // 0 = the route has a cluster
	Body        string
	ContentType string
	Headers     []Header // sorted by name
}

// Bounds of what a document says of a response.
const (
	maxBody    = 32 << 10 // bytes
	maxHeaders = 100
)

// plainText is the content type of a body of which the document does not say it.
const plainText = "text/plain; charset=utf-8"

var respondBlock = block[Respond]{
	form: `{status: 503, body: "back at six"}`,
	fields: []field[Respond]{
		at("status", func(r *Respond) *int { return &r.Status }, count(200, 599)),
		at("body", func(r *Respond) *string { return &r.Body }, responseBody).optional(),
		at("content_type", func(r *Respond) *string { return &r.ContentType }, contentType).when((*Respond).hasContent),
		at("headers", func(r *Respond) *[]Header { return &r.Headers }, headers(ofResponse)).optional(),
	},
	begin: func(d *decoder, r *Respond) { r.ContentType = plainText },
	end: func(d *decoder, n *yaml.Node, r *Respond) {
		if !has(n, "status") {
			d.problem(n, "status is missing (such as 503)")
		}
		for _, key := range []string{"body", "content_type"} {
			if has(n, key) && r.Status != 0 && !r.hasContent() {
				d.problemIn(n, key, "a response with status %d has no body: leave %s out", r.Status, key)
			}
		}
	},
}

// hasContent tells whether a response with that status can have a body (RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5).
func (r *Respond) hasContent() bool { return r.Status != 204 && r.Status != 205 && r.Status != 304 }

var responseBody = kind[string]{
	decode: func(d *decoder, n *yaml.Node, v *string) {
		switch s, ok := d.scalar(n, "text, in quotes where it looks like something else", "!!str"); {
		case !ok:
		case len(s) > maxBody:
			d.problem(n, "longer than %d bytes (%d bytes)", maxBody, len(s))
		default:
			*v = s
		}
	},
	encode: func(e *encoder, v *string) { e.text(*v) },
}

var contentType = text(func(s string) (string, error) {
	media, _, _ := strings.Cut(s, ";")
	kind, sub, ok := strings.Cut(strings.TrimRight(media, " "), "/")
	if !ok || !isToken(kind) || !isToken(sub) {
		return "", errors.New("want a media type such as text/html; charset=utf-8")
	}
	return s, checkPrintable(s)
})

// Header is a field that a route sets.
type Header struct {
	Name  string // lower-case
	Value string
}

// fieldsSet are names that headers of a document cannot have, each with what is to be written instead or why.
type fieldsSet map[string]string

// framing are fields that belong to one connection or one message (RFC 9110 section 7.6.1): the gateway writes them.
var framing = fieldsSet{
	"connection": "", "keep-alive": "", "proxy-connection": "", "te": "", "trailer": "", "transfer-encoding": "",
	"upgrade": "", "content-length": "", "expect": "", "http2-settings": "", "proxy-authenticate": "",
	"proxy-authorization": "",
}

// ofResponse are those of a response that a route gives itself.
var ofResponse = fieldsSet{
	"host": "a response has none", "date": "the gateway writes it", "content-type": "write content_type",
}

// headers is a mapping of names to values, without those that the gateway writes.
func headers(except fieldsSet) kind[[]Header] {
	return headerFields("headers", headerValue.then(checkUnpadded).then(checkPlain),
		func(d *decoder, key *yaml.Node) string {
			return editableName(d, key, "set", except)
		})
}

// variableForm is what a variable looks like in the values of header edits.
var variableForm = regexp.MustCompile(`\$\{[a-z_]+\}`)

// checkPlain refuses what would be a variable in the values of header edits.
func checkPlain(d *decoder, n *yaml.Node, v *string) {
	if variableForm.MatchString(*v) {
		d.problem(n, "want a value without variables: response_headers of the route has them")
	}
}

// headerFields is a mapping of names to values, which the document calls what. name reads a name in lower case; empty:
// it is none that may be there.
func headerFields(what string, value kind[string], name func(d *decoder, key *yaml.Node) string) kind[[]Header] {
	return kind[[]Header]{
		decode: func(d *decoder, n *yaml.Node, v *[]Header) {
			if !d.isMapping(n, `{x-shop: "eu"}`) {
				return
			}
			var list []Header
			seen := map[string]bool{}
			for i := 0; i+1 < len(n.Content); i += 2 {
				h := Header{Name: name(d, n.Content[i])}
				if h.Name == "" {
					continue
				}
				if seen[h.Name] {
					d.problem(n.Content[i], "field %s is there twice: names do not differ by case", h.Name)
				}
				seen[h.Name] = true
				d.enter(h.Name)
				value.decode(d, n.Content[i+1], &h.Value)
				d.leave()
				list = append(list, h)
			}
			switch {
			case len(n.Content) == 0:
				d.problem(n, "want at least one field, leave %s out for none (seen an empty mapping)", what)
			case len(list) > maxHeaders:
				d.problem(n, "want at most %d fields (seen %d)", maxHeaders, len(list))
			}
			slices.SortStableFunc(list, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
			*v = list
		},
		encode: func(e *encoder, v *[]Header) {
			e.open('{')
			for i := range *v {
				e.key((*v)[i].Name)
				e.text((*v)[i].Value)
			}
			e.close('}')
		},
	}
}

// isFieldName reports a key that is no name of a field. instead says what there is for what HTTP/2 has in
// pseudo-headers, such as :path.
func (d *decoder) isFieldName(key *yaml.Node, instead string) bool {
	switch {
	case key.Kind != yaml.ScalarNode || len(key.Value) > maxName:
	case isToken(key.Value):
		return true
	case slices.Contains([]string{":method", ":scheme", ":authority", ":path"}, key.Value): // RFC 9113 section 8.3.1
		d.problem(key, "want the name of a field, no pseudo-header: %s (%s)", instead, seen(key))
		return false
	}
	d.problem(key, "want the name of a field (%s)", seen(key))
	return false
}

// editableName reads the name of a field in lower case. It is empty where that is no name, or none that a document can
// set, or remove, as edit says.
func editableName(d *decoder, key *yaml.Node, edit string, except fieldsSet) string {
	if !d.isFieldName(key, "a route has keys for the host and the path") {
		return ""
	}
	lower := strings.ToLower(key.Value)
	if strings.Contains(lower, "*") {
		d.problem(key, "want the whole name of a field: a star stands for itself (%s)", seen(key))
		return ""
	}
	why, is := except[lower]
	if _, framed := framing[lower]; framed {
		why, is = "the gateway writes what belongs to the connection and the body", true
	}
	if is {
		d.problem(key, "%s cannot be %s: %s", lower, edit, why)
		return ""
	}
	return lower
}
