package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Sticky keeps a client at the cluster of a split for which its first request was drawn.
type Sticky struct {
	Cookie Cookie // names the cluster; made when the client has none, or one that names no cluster of the split
}

var stickyBlock = block[Sticky]{
	form: "{cookie: {name: canary}}",
	fields: []field[Sticky]{
		at("cookie", func(s *Sticky) *Cookie { return &s.Cookie }, cookieBlock.kind()),
	},
	end: func(d *decoder, n *yaml.Node, s *Sticky) {
		if !has(n, "cookie") {
			d.problem(n, "cookie is missing (such as {name: canary})")
		}
	},
}

// checkSticky checks what depends on the clusters of the route.
func (d *decoder) checkSticky(n *yaml.Node, r *Route) {
	if !has(n, "sticky") {
		return
	}
	if has(n, "cluster") {
		d.problemIn(n, "sticky", "only a split over clusters is sticky; to stay at an endpoint of one cluster, write "+
			"balance: hash there (the route has cluster)")
		return
	}
	for _, w := range r.Clusters {
		if other := d.hashedByCookie(w.Name, r.Sticky.Cookie.Name); other != "" {
			d.problemIn(n, "sticky",
				"want a cookie of another name: by this one cluster %s chooses endpoints, "+
					"and all who stay at a cluster have the same (seen %s)", other, r.Sticky.Cookie.Name)
			return
		}
	}
}

// hashedByCookie is the cluster of that name, or one that stands in for it, if its hash is by the cookie; else empty.
func (d *decoder) hashedByCookie(cluster, cookie string) string {
	others, _ := failoverOrder(cluster, d.cluster)
	all := append([]string{cluster}, others...)
	if i := slices.IndexFunc(all, func(name string) bool {
		c := d.cluster(name)
		return c != nil && cookie != "" && c.Hash.Cookie.Name == cookie
	}); i >= 0 {
		return all[i]
	}
	return ""
}

// declaredSticky is where a route says that clients keep their cluster.
type declaredSticky struct {
	place
	route int // index in doc.Routes
	path  []step
	node  *yaml.Node
	told  bool // a problem of it
}

// maxCookiePairs bounds the work of checkCookies. Only documents that are made for it have as many.
const maxCookiePairs = 1 << 20

// checkCookies refuses a sticky cookie by which another route, for the same clients, chooses endpoints: all who stay at
// a cluster would go to one endpoint there.
func (d *decoder) checkCookies() {
	byName := map[string][]*declaredSticky{}
	for i := range d.stickies {
		s := &d.stickies[i]
		if s.route < len(d.doc.Routes) { // the list may be cut where there are very many problems
			name := d.doc.Routes[s.route].Sticky.Cookie.Name
			byName[name] = append(byName[name], s)
		}
	}
	if len(byName) == 0 {
		return
	}
	pairs := 0
	for i := range d.doc.Routes {
		r := &d.doc.Routes[i]
		for _, w := range r.Clusters {
			others, _ := failoverOrder(w.Name, d.cluster)
			for _, name := range append([]string{w.Name}, others...) {
				c := d.cluster(name)
				if c == nil || c.Hash.Cookie.Name == "" {
					continue
				}
				for _, s := range byName[c.Hash.Cookie.Name] {
					if pairs++; pairs > maxCookiePairs || d.isFull() {
						return
					}
					if s.route != i {
						d.checkCookie(s, r, c)
					}
				}
			}
		}
	}
	d.path = nil
}

// checkCookie holds the cookie of s against the one by which route r chooses endpoints of c, of the same name.
func (d *decoder) checkCookie(s *declaredSticky, r *Route, c *Cluster) {
	sticky := &d.doc.Routes[s.route]
	a, b := sticky.Sticky.Cookie.Path, c.Hash.Cookie.Path
	if s.told || !cookieCovers(a, b) && !cookieCovers(b, a) || !hostsMeet(sticky.Match.Hosts, r.Match.Hosts) {
		return
	}
	s.told = true
	d.part, d.base, d.path = s.part, s.base, s.path
	d.problem(s.node,
		"want a cookie of another name: by this one route %s chooses endpoints of cluster %s, "+
			"and all who stay at a cluster have the same (seen %s)", r.Name, c.Name, c.Hash.Cookie.Name)
}

// cookieCovers tells whether a client that has a cookie for path sends it for all below another (RFC 6265 section
// 5.1.4).
func cookieCovers(path, other string) bool {
	rest, below := strings.CutPrefix(other, path)
	return below && (rest == "" || strings.HasSuffix(path, "/") || rest[0] == '/')
}

// hostsMeet tells whether there is a host that both lists match. A cookie is for the host that gave it.
func hostsMeet(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { return hostCovers(x, y) || hostCovers(y, x) })
	})
}

// hostCovers tells whether the host of a match has all that another one has.
func hostCovers(host, other string) bool {
	suffix, wild := WildcardSuffix(host)
	return host == other || wild && strings.HasSuffix(other, suffix)
}
