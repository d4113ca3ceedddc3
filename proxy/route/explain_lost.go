package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// lost is a route that a request does not take, and how far it came.
type lost struct {
	*Route
	fits  fit
	unmet condition // of a route that fits
}

// fit is what of a route fits a request, its conditions apart.
type fit int

const (
	fitsNot  fit = iota
	fitsHost     // but not the path
	fitsAll
)

// explain is match, with all other routes: first those that are tried, in that order; then those of the host; then
// the rest.
func (r *router) explain(a *asked) (won *Route, others []lost) {
	won = r.match(a)
	host := hostname(a.head.Authority, nil)
	seen := map[*Route]bool{won: true}
	for _, rt := range r.tried(host, a) {
		if !seen[rt] {
			others = append(others, lost{rt, fitsAll, rt.wants.unmet(a)})
		}
		seen[rt] = true
	}
	tried := len(others)
	of := r.ofHosts(host)
	for _, rt := range r.routes {
		switch {
		case seen[rt]:
		case of[rt]:
			others = append(others, lost{Route: rt, fits: fitsHost})
		default:
			others = append(others, lost{Route: rt})
		}
	}
	slices.SortStableFunc(others[tried:], func(a, b lost) int {
		return cmp.Or(cmp.Compare(b.fits, a.fits), precedence(a.Route, b.Route, host))
	})
	return won, others
}

// ofHosts has the routes whose host fits.
func (r *router) ofHosts(host []byte) map[*Route]bool {
	all := map[*Route]bool{}
	for _, b := range r.hosts(host) {
		for _, rt := range b.patterns {
			all[rt] = true
		}
		for _, m := range []map[string][]*Route{b.paths, b.prefixes} {
			for _, list := range m {
				for _, rt := range list {
					all[rt] = true
				}
			}
		}
	}
	return all
}

// hostFor is the one of the route's hosts under which a request to host is matched. It is the most specific one that
// fits, or the first where none does. Empty: the route is for any.
func (rt *Route) hostFor(host []byte) string {
	all := rt.Config.Match.Hosts
	if len(all) == 0 {
		return ""
	}
	best := ""
	for _, h := range all {
		suffix, wild := config.WildcardSuffix(h)
		switch {
		case !wild && h == string(host):
			return h
		case wild && len(host) > len(suffix) && strings.HasSuffix(string(host), suffix) && len(h) > len(best):
			best = h
		}
	}
	return cmp.Or(best, all[0])
}

// precedence is for two routes that fit a request to host: negative when a is tried before b, positive when after it.
// It is 0 when the document's order decides, or the patterns of the two.
func precedence(a, b *Route, host []byte) int {
	byConditions := 0
	if a.pathKind() != pathPattern {
		byConditions = cmp.Compare(b.wants.count(), a.wants.count())
	}
	return cmp.Or(precedenceOfHosts(a, b, host), cmp.Compare(a.pathKind(), b.pathKind()),
		cmp.Compare(segments(b), segments(a)), byConditions)
}

func precedenceOfHosts(a, b *Route, host []byte) int {
	x, y := a.hostFor(host), b.hostFor(host)
	rank := func(host string) int {
		return slices.Index([]string{hostExact, hostWildcard, hostAny}, hostMatch(host))
	}
	return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(len(y), len(x)))
}

// pathKind is how the route's path is compared. They are tried in this order.
type pathKind uint8

const (
	wholePath pathKind = iota
	pathPattern
	pathPrefix
)

func (rt *Route) pathKind() pathKind {
	switch {
	case rt.pattern != nil:
		return pathPattern
	case rt.Config.Match.Path != "":
		return wholePath
	}
	return pathPrefix
}

// samePath tells whether conditions decide between two routes that both fit, by paths of one kind and length.
func (rt *Route) samePath(b *Route) bool {
	return rt.pathKind() != pathPattern || rt.Config.Match.PathRegex == b.Config.Match.PathRegex
}

// segments is how long the route's prefix is, if it goes by one.
func segments(rt *Route) int {
	if rt.pathKind() != pathPrefix {
		return 0
	}
	return strings.Count(rt.prefix, "/")
}

// why says in a sentence why the route is not taken, but won is (nil: none).
func (l *lost) why(won *Route, a *asked) string {
	switch {
	case l.fits == fitsNot:
		return l.whyHost()
	case l.fits == fitsHost:
		return l.whyPath()
	case l.unmet != allMet:
		return l.wants.why(l.unmet, a)
	}
	return "it fits too, but " + won.Name + " comes first: " + whyBefore(won, l.Route, hostname(a.head.Authority, nil))
}

func (l *lost) whyHost() string {
	hosts := l.Config.Match.Hosts
	if len(hosts) > 1 {
		const most = 5
		more := ""
		if len(hosts) > most {
			hosts, more = hosts[:most], " ..."
		}
		return "the host is none of " + strings.Join(hosts, ", ") + more
	}
	if hostMatch(hosts[0]) == hostWildcard {
		return "the host is not below " + hosts[0][len("*."):]
	}
	return "the host is not " + hosts[0]
}

func (l *lost) whyPath() string {
	switch l.pathKind() {
	case wholePath:
		return "the path is not " + l.prefix
	case pathPattern:
		return "the path does not fit the path_regex " + l.Config.Match.PathRegex
	}
	return "the path is not " + l.prefix + ", nor below it"
}

// whyBefore says why won is tried before rt.
func whyBefore(won, rt *Route, host []byte) string {
	switch kind := won.pathKind(); {
	case precedenceOfHosts(won, rt, host) != 0:
		return "its host is more specific"
	case kind < rt.pathKind() && kind == wholePath:
		return "it is for just this path"
	case kind < rt.pathKind():
		return "its path_regex comes before prefixes"
	case segments(won) != segments(rt):
		return "its prefix is longer"
	case won.samePath(rt) && won.wants.count() != rt.wants.count():
		return "it has more conditions"
	}
	return "it stands before it in the document"
}
