package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ErrorPage is what the gateway's own responses of one status, or of one class, have for a body.
type ErrorPage struct {
	Status      string // such as 404, or 5xx for all of a class that have no page of their own
	Body        string
	ContentType string
}

// FindErrorPage is the page of pages for a response of the gateway with that status: its own before that of its class.
// nil: there is none.
func FindErrorPage(pages []ErrorPage, status int) *ErrorPage {
	var ofClass *ErrorPage
	for i := range pages {
		switch p := &pages[i]; {
		case !matchesStatus(p.Status, status):
		case isClass(p.Status):
			ofClass = p
		default:
			return p
		}
	}
	return ofClass
}

var errorPageBlock = block[ErrorPage]{
	form: `{body: "no such page"}`,
	fields: []field[ErrorPage]{
		at("body", func(p *ErrorPage) *string { return &p.Body }, responseBody.then(notEmpty)),
		at("content_type", func(p *ErrorPage) *string { return &p.ContentType }, contentType),
	},
	begin: func(d *decoder, p *ErrorPage) { p.ContentType = plainText },
	end: func(d *decoder, n *yaml.Node, p *ErrorPage) {
		if !has(n, "body") {
			d.problem(n, "body is missing")
		}
	},
}

func notEmpty(d *decoder, n *yaml.Node, v *string) {
	if *v == "" {
		d.problem(n, "want at least one byte, leave the page out for the gateway's own text (seen \"\")")
	}
}

// errorPages is a mapping of statuses and classes to pages, which the document has sorted.
var errorPages = kind[[]ErrorPage]{
	decode: func(d *decoder, n *yaml.Node, v *[]ErrorPage) {
		if n.Kind != yaml.MappingNode {
			d.problem(n, `want a mapping such as {"404": {body: "no such page"}} (%s)`, seen(n))
			return
		}
		if len(n.Content) == 0 {
			d.problem(n, "want at least one page, leave error_pages out for none (seen an empty mapping)")
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			p := ErrorPage{Status: key.Value}
			switch {
			case key.Kind != yaml.ScalarNode || !isStatusSet(key.Value, 400, 599):
				d.problem(key, "want a status from 400 to 599, or a class such as 5xx (%s)", seen(key))
				continue
			case slices.ContainsFunc(n.Content[:i], func(k *yaml.Node) bool {
				return k.Kind == yaml.ScalarNode && k.Value == key.Value
			}):
				d.problem(key, "%s is there twice", key.Value)
				continue
			}
			d.enter(key.Value)
			errorPageBlock.decode(d, n.Content[i+1], &p)
			d.leave()
			*v = append(*v, p)
		}
		slices.SortFunc(*v, func(a, b ErrorPage) int { return strings.Compare(a.Status, b.Status) })
	},
	encode: func(e *encoder, v *[]ErrorPage) {
		e.open('{')
		for i := range *v {
			e.key((*v)[i].Status)
			errorPageBlock.encode(e, &(*v)[i])
		}
		e.close('}')
	},
}

// changedPages lists the statuses whose pages are not as they were.
func changedPages(old, new []ErrorPage) []string {
	var all []string
	for i := range new {
		if !slices.Contains(old, new[i]) {
			all = append(all, new[i].Status)
		}
	}
	for i := range old {
		if !slices.ContainsFunc(new, func(p ErrorPage) bool { return p.Status == old[i].Status }) {
			all = append(all, old[i].Status)
		}
	}
	slices.Sort(all)
	return all
}
