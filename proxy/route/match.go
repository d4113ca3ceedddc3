package route

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/netio"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// asked is what of a request its match looks at.
type asked struct {
	head     *message.Head
	path     []byte // normalised
	listener string
	remote   netip.Addr // the client's; the zero Addr where no route looks at it
	anywhere bool       // the client's address is not said: it is in each network
	work     *Workspace // for the match's own use
}

// All of a condition is in this file. That is what a route wants, whether a request meets it, whether it counts, and
// how people are told of it.

// conditions are what a route wants of a request besides its host and path. Immutable.
type conditions struct {
	methods   []string
	headers   []valueMatch
	query     []valueMatch
	source    []netip.Prefix
	listeners []string
}

// condition is one of them: one of these, the index of a header, or behind the headers that of a query parameter.
type condition int

const (
	allMet condition = -1 - iota
	methodUnmet
	listenerUnmet
	sourceUnmet
)

func compileConditions(c *config.Route) (conditions, error) {
	m := &c.Match
	headers, err := compileValues(m.Headers)
	if err != nil {
		return conditions{}, fmt.Errorf("headers: %w", err)
	}
	query, err := compileValues(m.Query)
	if err != nil {
		return conditions{}, fmt.Errorf("query: %w", err)
	}
	return conditions{
		methods: m.Methods, headers: headers, query: query, source: m.Source, listeners: c.Listeners,
	}, nil
}

// count is how many conditions there are. Listeners do not count.
func (c *conditions) count() int {
	return min(len(c.methods), 1) + len(c.headers) + len(c.query) + min(len(c.source), 1)
}

// unmet is the first condition that the request does not meet.
func (c *conditions) unmet(a *asked) condition {
	if len(c.methods) > 0 && !contains(c.methods, a.head.Method) {
		return methodUnmet
	}
	for i := range c.headers {
		if !c.headers[i].fitsHeader(a.head, a.work) {
			return condition(i)
		}
	}
	for i := range c.query {
		if !c.query[i].fitsQuery(a.head.Query, a.work) {
			return condition(len(c.headers) + i)
		}
	}
	if len(c.source) > 0 && !a.anywhere && !netio.Within(c.source, a.remote) {
		return sourceUnmet
	}
	if len(c.listeners) > 0 && !slices.Contains(c.listeners, a.listener) {
		return listenerUnmet
	}
	return allMet
}

// why says in a sentence that a condition is not met. It does not show values wanted: they may be secrets.
func (c *conditions) why(unmet condition, a *asked) string {
	told := c.explain()
	switch unmet {
	case methodUnmet:
		return "the method is not " + strings.Join(told.Methods, " or ")
	case listenerUnmet:
		return "the listener is not " + strings.Join(told.Listeners, " or ")
	case sourceUnmet:
		return "the client's address is not in " + strings.Join(told.Source, " or ")
	}
	if i := int(unmet) - len(c.headers); i >= 0 {
		m := &c.query[i]
		any, _ := compileValues([]config.ValueMatch{{Name: m.Name, Operator: config.Present}})
		return m.why("parameter", any[0].fitsQuery(a.head.Query, a.work))
	}
	m := &c.headers[unmet]
	_, there := a.head.Find(m.Name)
	return m.why("header", there)
}

// Conditions are what a request must meet besides host and path, as /explain shows it. Empty lists are for any.
type Conditions struct {
	Methods   []string `json:"methods"`   // one of which it is
	Headers   []string `json:"headers"`   // names of those that are as wanted
	Query     []string `json:"query"`     // names of the parameters that are as wanted
	Source    []string `json:"source"`    // networks, in one of which the client is
	Listeners []string `json:"listeners"` // one of which it came to
}

// explain tells of the conditions. Values that are wanted may be secrets, so only their names are told.
func (c *conditions) explain() Conditions {
	name := func(m valueMatch) string { return m.Name }
	return Conditions{
		Methods: texts(c.methods, strings.Clone), Headers: texts(c.headers, name), Query: texts(c.query, name),
		Source: texts(c.source, netip.Prefix.String), Listeners: texts(c.listeners, strings.Clone),
	}
}

// Texts has each condition in a few words, such as "method GET or HEAD".
func (c *Conditions) Texts() (all []string) {
	for _, one := range []struct {
		what, between string
		list          []string
	}{
		{"method", " or ", c.Methods},
		{"header", " and ", c.Headers},
		{"parameter", " and ", c.Query},
		{"source", " or ", c.Source},
		{"listener", " or ", c.Listeners},
	} {
		if len(one.list) > 0 {
			all = append(all, one.what+" "+strings.Join(one.list, one.between))
		}
	}
	return all
}

// texts has the text of each; never nil.
func texts[T any](list []T, text func(T) string) []string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = text(list[i])
	}
	return all
}

func contains(list []string, b []byte) bool {
	for _, s := range list { //nolint:modernize // slices.Contains would make a string of b
		if s == string(b) {
			return true
		}
	}
	return false
}

// valueMatch is a compiled condition on a header or a query parameter. Immutable.
type valueMatch struct {
	config.ValueMatch                // Value in lower case where case does not count
	pattern           *regexp.Regexp // of Regex
	part              []byte         // of Contains, where case counts
}

func compileValues(list []config.ValueMatch) ([]valueMatch, error) {
	all := make([]valueMatch, len(list))
	for i, m := range list {
		all[i].ValueMatch = m
		switch {
		case m.Operator == config.Regex:
			pattern, err := config.CompileWhole(m.Value, m.IgnoreCase)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.Name, err)
			}
			all[i].pattern = pattern
		case m.IgnoreCase:
			all[i].Value = strings.Map(lower, m.Value)
		default:
			all[i].part = []byte(m.Value)
		}
	}
	return all, nil
}

// lower makes an ASCII letter a lower-case one.
func lower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r | 0x20
	}
	return r
}

// fitsHeader tells whether the fields of the name are as wanted: one of them, or with Invert none. Cookie is one field,
// also where HTTP/2 splits it into several (RFC 9113 section 8.2.3).
func (m *valueMatch) fitsHeader(h *message.Head, w *Workspace) bool {
	if h.Version == message.HTTP2 && m.Name == message.Cookie.Name() && h.Present.Has(message.Cookie) {
		return m.fits(w.joined(h)) != m.Invert
	}
	for i := range h.Fields {
		if f := &h.Fields[i]; message.EqualFold(h.Name(f), m.Name) && m.fits(h.Value(f)) {
			return !m.Invert
		}
	}
	return m.Invert
}

// joined is the one value of all Cookie fields. It is good until the next call, or one of decoded.
func (w *Workspace) joined(h *message.Head) []byte {
	w.value = w.value[:0]
	for i := range h.Fields {
		if f := &h.Fields[i]; f.ID == message.Cookie {
			if len(w.value) > 0 {
				w.value = append(w.value, "; "...)
			}
			w.value = append(w.value, h.Value(f)...)
		}
	}
	return w.value
}

// fitsQuery is fitsHeader for the parameters of a query.
func (m *valueMatch) fitsQuery(query []byte, w *Workspace) bool {
	for len(query) > 0 {
		var one parameterText
		one, query = cutParameter(query)
		if string(w.decoded(one.name)) == m.Name && m.fits(w.decoded(one.value)) {
			return !m.Invert
		}
	}
	return m.Invert
}

// fits tells whether one value is as wanted, inversion apart.
func (m *valueMatch) fits(v []byte) bool {
	n := len(m.Value)
	switch m.Operator {
	case config.Present:
		return true
	case config.Regex:
		return m.pattern.Match(v)
	case config.Exact:
		return m.same(v)
	case config.Prefix:
		return len(v) >= n && m.same(v[:n])
	case config.Suffix:
		return len(v) >= n && m.same(v[len(v)-n:])
	case config.Contains:
		if !m.IgnoreCase {
			return bytes.Contains(v, m.part)
		}
		for ; len(v) >= n; v = v[1:] {
			if m.same(v[:n]) {
				return true
			}
		}
	}
	return false
}

func (m *valueMatch) same(v []byte) bool {
	if m.IgnoreCase {
		return message.EqualFold(v, m.Value)
	}
	return string(v) == m.Value
}

// decoded is a name or value of a query as its sender meant it: + is a space, and %XX a byte. What is no encoding
// stays. It is good until the next call, or one of joined.
func (w *Workspace) decoded(b []byte) []byte {
	if bytes.IndexByte(b, '%') < 0 && bytes.IndexByte(b, '+') < 0 {
		return b
	}
	w.value = w.value[:0]
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(b):
			if hi, lo := config.Unhex(b[i+1]), config.Unhex(b[i+2]); hi < 16 && lo < 16 {
				c = hi<<4 | lo
				i += 2
			}
		}
		w.value = append(w.value, c)
	}
	return w.value
}

// why says why a header or parameter is not as wanted. It does not show the value wanted: it may be a secret.
func (m *valueMatch) why(what string, there bool) string {
	name := what + " " + m.Name
	switch {
	case m.Invert && m.Operator == config.Present:
		return "there is a " + name
	case m.Invert:
		return "the " + name + " has a value that it must not have"
	case !there:
		return "there is no " + name
	case m.Operator == config.Exact:
		return "the " + name + " has another value"
	}
	return "the " + name + " does not fit (" + m.Operator.String() + ")"
}
