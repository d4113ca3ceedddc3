package config

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Hash is what of a request decides to which endpoint it goes, with balance hash. Exactly one is set.
type Hash struct {
	Header   string // name of a field, lower-case: its first value
	Cookie   Cookie // its value; made when the client has none
	Query    string // name of a parameter: its first value
	SourceIP bool   // the client's address
}

// String says what it is, as explain shows it: "header x-user".
func (h Hash) String() string {
	switch {
	case h.Header != "":
		return "header " + h.Header
	case h.Query != "":
		return "query " + h.Query
	case h.Cookie.Name != "":
		return "cookie " + h.Cookie.Name
	case h.SourceIP:
		return "source_ip"
	}
	return ""
}

var hashBlock = block[Hash]{
	form: "{header: x-user}",
	fields: []field[Hash]{
		at("header", func(h *Hash) *string { return &h.Header }, hashHeader).optional(),
		at("cookie", func(h *Hash) *Cookie { return &h.Cookie }, madeCookie).optional(),
		at("query", func(h *Hash) *string { return &h.Query }, hashQuery).optional(),
		at("source_ip", func(h *Hash) *bool { return &h.SourceIP }, flag).optional(),
	},
	end: func(d *decoder, n *yaml.Node, h *Hash) {
		switch len(n.Content) / 2 {
		case 0:
			d.problem(n, "want one of header, cookie, query, source_ip (seen none)")
		case 1:
			if v := valueOf(n, "source_ip"); v != nil && v.Value == "false" {
				d.problem(v, "want true, or another key than source_ip (seen false)")
			}
		default:
			d.problem(n, "want exactly one of header, cookie, query, source_ip (seen %d keys)", len(n.Content)/2)
		}
	},
}

var hashHeader = text(func(s string) (string, error) {
	switch {
	case !isToken(s) || len(s) > maxName:
		return "", errors.New("want the name of a field")
	case strings.EqualFold(s, "host"):
		return "", errors.New("want another field than Host, which every client of a site sends alike")
	}
	return strings.ToLower(s), nil
})

var hashQuery = text(func(s string) (string, error) {
	if s == "" || len(s) > maxName || strings.ContainsAny(s, "=&#+% ") {
		return "", errors.New("want the name of a parameter, as URLs have it")
	}
	return s, checkPrintable(s)
})
