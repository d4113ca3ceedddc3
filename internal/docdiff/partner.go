package docdiff

import (
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Routes finds the routes of a document. A document may have tens of thousands, and each is looked for.
type Routes struct {
	doc    *config.Document
	byName map[string]int
	byPath map[string][]int // by hosts and path

	compare *config.Comparison
}

// RoutesOf prepares the search, which belongs to one goroutine.
func RoutesOf(doc *config.Document) Routes {
	r := Routes{doc, map[string]int{}, map[string][]int{}, new(config.Comparison)}
	for i := range doc.Routes {
		path := hostsAndPath(&doc.Routes[i].Match)
		r.byName[doc.Routes[i].Name], r.byPath[path] = i, append(r.byPath[path], i)
	}
	return r
}

func hostsAndPath(m *config.Match) string {
	return strings.Join(append(slices.Clone(m.Hosts), m.Path, m.PathRegex, m.PathPrefix), "\n")
}

// Named is the index of the route of that name; -1 = none.
func (r Routes) Named(name string) int {
	if i, ok := r.byName[name]; ok {
		return i
	}
	return -1
}

// Partner is the index of the route that has the name of other or, if there is none, matches the same requests;
// -1 = none.
func (r Routes) Partner(other *config.Route) int {
	if i := r.Named(other.Name); i >= 0 {
		return i
	}
	for _, i := range slices.Backward(r.byPath[hostsAndPath(&other.Match)]) {
		if r.sameMatch(i, other) {
			return i
		}
	}
	return -1
}

func (r Routes) sameMatch(i int, other *config.Route) bool {
	return r.compare.Matches(&r.doc.Routes[i], other)
}

// L4Partner is the index of the L4 listener of a document that has the name or the address of l, which is one too. -1
// is none.
func L4Partner(doc *config.Document, l *config.Listener) int {
	return slices.IndexFunc(doc.Listeners, func(was config.Listener) bool {
		return l.L4() && was.L4() && (was.Name == l.Name || config.SameAddress(was.Address, l.Address))
	})
}
