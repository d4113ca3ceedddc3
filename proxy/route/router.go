package route

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// maxSegments bounds how deep a prefix is looked for.
const maxSegments = config.MaxPrefixSegments

// router finds the route of a request: by host, then by the longest prefix, then by the number of conditions.
type router struct {
	exact    map[string]*bucket // whole host names
	wildcard map[string]*bucket // ".example.com" for "*.example.com"
	any      *bucket            // routes without a host

	routes []*Route // all, in document order
}

// bucket holds the routes of one host.
type bucket struct {
	prefixes map[string][]*Route // by prefix without its last slash; most conditions first, then document order
	depth    int                 // segments of the longest prefix
}

func newRouter(routes []*Route) *router {
	r := &router{exact: map[string]*bucket{}, wildcard: map[string]*bucket{}, routes: routes}
	for _, rt := range routes {
		b := r.bucket(rt.Config.Match.Host)
		key := strings.TrimSuffix(rt.Config.Match.PathPrefix, "/")
		b.prefixes[key] = append(b.prefixes[key], rt)
		b.depth = max(b.depth, strings.Count(key, "/"))
	}
	for _, b := range r.buckets() {
		for _, list := range b.prefixes {
			slices.SortStableFunc(list, func(x, y *Route) int { return cmp.Compare(y.conditions(), x.conditions()) })
		}
	}
	return r
}

func (r *router) bucket(host string) *bucket {
	of := func(m map[string]*bucket, key string) *bucket {
		if m[key] == nil {
			m[key] = &bucket{prefixes: map[string][]*Route{}}
		}
		return m[key]
	}
	if host == "" {
		if r.any == nil {
			r.any = &bucket{prefixes: map[string][]*Route{}}
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

// match returns the route for a request that came to the listener, or nil. path is normalised; edges and room are for
// the call's own use.
func (r *router) match(h *message.Head, path []byte, listener string, edges *[maxSegments + 2]int, room []byte) *Route {
	if len(r.exact)+len(r.wildcard) > 0 {
		host := hostname(h.Authority, room)
		if b := r.exact[string(host)]; b != nil {
			if rt := b.match(h, path, listener, edges); rt != nil {
				return rt
			}
		}
		if len(r.wildcard) > 0 {
			for i := config.NextSuffix(host, 0); i > 0; i = config.NextSuffix(host, i) {
				if b := r.wildcard[string(host[i:])]; b != nil {
					if rt := b.match(h, path, listener, edges); rt != nil {
						return rt
					}
				}
			}
		}
	}
	if r.any != nil {
		return r.any.match(h, path, listener, edges)
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
// match. It goes the same way, by the same steps, and does not stop.
func (r *router) tried(host, path []byte) []*Route {
	var edges [maxSegments + 2]int
	var all []*Route
	for _, b := range r.hosts(host) {
		for n := b.cut(path, &edges); n >= 0; n-- {
			all = append(all, b.prefixes[string(path[:edges[n]])]...)
		}
	}
	return all
}

// match tries the prefixes of path that end at a segment's end, the longest first.
func (b *bucket) match(h *message.Head, path []byte, listener string, edges *[maxSegments + 2]int) *Route {
	for n := b.cut(path, edges); n >= 0; n-- {
		for _, rt := range b.prefixes[string(path[:edges[n]])] {
			if rt.accepts(h, listener) {
				return rt
			}
		}
	}
	return nil
}

// cut notes in edges where the segments of path end, as deep as the bucket's prefixes go, and returns the last one's
// index.
func (b *bucket) cut(path []byte, edges *[maxSegments + 2]int) int {
	n := 1 // edges[0] is 0, the prefix "/"
	for at := 1; n <= b.depth; n++ {
		i := -1
		if at <= len(path) {
			i = bytes.IndexByte(path[at:], '/')
		}
		if i < 0 {
			if at <= len(path) && len(path) > 1 {
				edges[n] = len(path)
				n++
			}
			break
		}
		edges[n] = at + i
		at += i + 1
	}
	return n - 1
}

// hostname is the host of authority in lower case, without port and without the dot that ends a full name, built in
// room.
func hostname(authority, room []byte) []byte {
	end := len(authority)
	if i := bytes.LastIndexByte(authority, ':'); i >= 0 && bytes.IndexByte(authority[i:], ']') < 0 {
		end = i
	}
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
