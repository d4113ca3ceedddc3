package route

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// maxSegments bounds how deep a prefix is looked for.
const maxSegments = config.MaxPrefixSegments

// router finds the route of a request: by host, then by path, then by the number of conditions.
type router struct {
	exact    map[string]*bucket // whole host names
	wildcard map[string]*bucket // ".example.com" for "*.example.com"
	any      *bucket            // routes without a host

	routes   []*Route // all, in document order
	bySource bool     // a route looks at the client's address
}

// bucket holds the routes of one host.
type bucket struct {
	paths    map[string][]*Route // by whole path; most conditions first, then document order; nil: none
	patterns []*Route            // in document order, those of one pattern together and as those of paths
	prefixes map[string][]*Route // by prefix without its last slash; as paths
	depth    int                 // segments of the longest prefix; -1: there is none
}

func newBucket() *bucket { return &bucket{prefixes: map[string][]*Route{}, depth: -1} }

func newRouter(routes []*Route) *router {
	r := &router{exact: map[string]*bucket{}, wildcard: map[string]*bucket{}, routes: routes}
	for _, rt := range routes {
		r.bySource = r.bySource || len(rt.wants.source) > 0
		hosts := rt.Config.Match.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		for _, host := range hosts {
			r.bucket(host).add(rt)
		}
	}
	for _, b := range r.buckets() {
		b.sort()
	}
	return r
}

func (b *bucket) add(rt *Route) {
	switch {
	case rt.pattern != nil:
		b.patterns = append(b.patterns, rt)
	case rt.Config.Match.Path != "":
		if b.paths == nil {
			b.paths = map[string][]*Route{}
		}
		b.paths[rt.prefix] = append(b.paths[rt.prefix], rt)
	default:
		b.prefixes[rt.prefix] = append(b.prefixes[rt.prefix], rt)
		b.depth = max(b.depth, strings.Count(rt.prefix, "/"))
	}
}

// sort brings the routes of each path into the order in which they are tried.
func (b *bucket) sort() {
	byConditions := func(x, y *Route) int { return cmp.Compare(y.wants.count(), x.wants.count()) }
	for _, m := range []map[string][]*Route{b.paths, b.prefixes} {
		for _, list := range m {
			slices.SortStableFunc(list, byConditions)
		}
	}
	first := map[string]int{} // where a pattern is met first
	for i, rt := range b.patterns {
		if _, met := first[rt.pattern.String()]; !met {
			first[rt.pattern.String()] = i
		}
	}
	slices.SortStableFunc(b.patterns, func(x, y *Route) int {
		return cmp.Or(cmp.Compare(first[x.pattern.String()], first[y.pattern.String()]), byConditions(x, y))
	})
}

func (r *router) bucket(host string) *bucket {
	of := func(m map[string]*bucket, key string) *bucket {
		if m[key] == nil {
			m[key] = newBucket()
		}
		return m[key]
	}
	if host == "" {
		if r.any == nil {
			r.any = newBucket()
		}
		return r.any
	}
	if suffix, wild := config.WildcardSuffix(host); wild {
		return of(r.wildcard, suffix)
	}
	return of(r.exact, host)
}

func (r *router) buckets() []*bucket {
	var all []*bucket
	for _, m := range []map[string]*bucket{r.exact, r.wildcard} {
		for _, b := range m {
			all = append(all, b)
		}
	}
	if r.any != nil {
		all = append(all, r.any)
	}
	return all
}

// match returns the route for a request, or nil.
func (r *router) match(a *asked) *Route {
	if len(r.exact)+len(r.wildcard) > 0 {
		host := hostname(a.head.Authority, a.work.hostname[:0])
		a.work.hostname = host
		if b := r.exact[string(host)]; b != nil {
			if rt := b.match(a, nil); rt != nil {
				return rt
			}
		}
		if len(r.wildcard) > 0 {
			for i := config.NextSuffix(host, 0); i > 0; i = config.NextSuffix(host, i) {
				if b := r.wildcard[string(host[i:])]; b != nil {
					if rt := b.match(a, nil); rt != nil {
						return rt
					}
				}
			}
		}
	}
	if r.any != nil {
		return r.any.match(a, nil)
	}
	return nil
}

// hosts lists the buckets that match tries for a host, in its order.
func (r *router) hosts(host []byte) []*bucket {
	all := []*bucket{r.exact[string(host)]}
	for i := config.NextSuffix(host, 0); i > 0; i = config.NextSuffix(host, i) {
		all = append(all, r.wildcard[string(host[i:])])
	}
	return slices.DeleteFunc(append(all, r.any), func(b *bucket) bool { return b == nil })
}

// tried lists every route that match asks for a host and a path while none accepts, in its order: what explains a
// match.
func (r *router) tried(host []byte, a *asked) []*Route {
	var all []*Route
	for _, b := range r.hosts(host) {
		b.match(a, &all)
	}
	return all
}

// match returns the route of the bucket for a request, or nil. The whole path is tried first, then the patterns, then
// the prefixes that end at a segment's end, the longest first. With tried it notes there which routes it asks, and
// finds none.
func (b *bucket) match(a *asked, tried *[]*Route) *Route {
	if b.paths != nil {
		if rt := first(b.paths[string(a.path)], a, tried); rt != nil {
			return rt
		}
	}
	for i, rt := range b.patterns {
		if rt.pattern.Match(a.path) {
			if rt := first(b.patterns[i:i+1], a, tried); rt != nil {
				return rt
			}
		}
	}
	if b.depth < 0 {
		return nil
	}
	edges := &a.work.edges
	for n := b.cut(a.path, edges); n >= 0; n-- {
		if rt := first(b.prefixes[string(a.path[:edges[n]])], a, tried); rt != nil {
			return rt
		}
	}
	return nil
}

// first is the first route of list that accepts the request, or nil; with tried none does.
func first(list []*Route, a *asked, tried *[]*Route) *Route {
	for _, rt := range list {
		if tried != nil {
			*tried = append(*tried, rt)
		} else if rt.wants.unmet(a) == allMet {
			return rt
		}
	}
	return nil
}

// cut notes in edges where the segments of path end, as deep as the bucket's prefixes go, and returns the last one's
// index.
func (b *bucket) cut(path []byte, edges *[maxSegments + 2]uint32) int {
	n := 1 // edges[0] is 0, the prefix "/"
	for at := 1; n <= b.depth; n++ {
		i := -1
		if at <= len(path) {
			i = bytes.IndexByte(path[at:], '/')
		}
		if i < 0 {
			if at <= len(path) && len(path) > 1 {
				edges[n] = uint32(len(path))
				n++
			}
			break
		}
		edges[n] = uint32(at + i)
		at += i + 1
	}
	return n - 1
}

// hostEnd is where the host of authority ends, and its colon and port begin, if it has one.
func hostEnd(authority []byte) int {
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && bytes.IndexByte(authority[i:], ']') < 0 {
		return i
	}
	return len(authority)
}

// hostname is the host of authority in lower case, without port and without the dot that ends a full name, built in
// room.
func hostname(authority, room []byte) []byte {
	end := hostEnd(authority)
	if end > 1 && authority[end-1] == '.' {
		end--
	}
	room = append(room, authority[:end]...)
	for i, c := range room {
		if c-'A' < 26 {
			room[i] = c | 0x20
		}
	}
	return room
}
