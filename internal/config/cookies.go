package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// declaredSticky is where a route says that clients keep their cluster.
type declaredSticky struct {
	place
	route int // index in doc.Routes
	path  []step
	node  *yaml.Node
	told  bool // a problem of it

	clusters string // names of those of the route: a value of the cookie stands for one of them
}

// maxCookiePairs bounds the work of checkCookies. Only documents that are made for it have as many.
const maxCookiePairs = 1 << 20

// checkCookies refuses what routes do with each other's cookies.
func (d *decoder) checkCookies() {
	d.checkHashedCookies()
	d.checkSharedCookies()
	d.path = nil
}

// checkHashedCookies refuses a sticky cookie by which another route, for the same clients, chooses endpoints. All who
// stay at a cluster would go to one endpoint there.
func (d *decoder) checkHashedCookies() {
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
	d.problem(s.node, "want a cookie of another name: by this one route %s chooses endpoints of cluster %s, and all "+
		"who stay at a cluster have the same (seen %s)", r.Name, c.Name, c.Hash.Cookie.Name)
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

// sharedCookie is what a client has one value of (RFC 6265 section 5.3).
type sharedCookie struct{ host, name, path string }

// checkSharedCookies refuses a sticky cookie that the same clients get from two routes for different clusters. Each of
// the routes would replace the value that the other one gave, so nobody would stay anywhere.
func (d *decoder) checkSharedCookies() {
	holders := map[sharedCookie][]*declaredSticky{} // the first, and the first one of other clusters
	each := func(f func(s *declaredSticky, c sharedCookie)) {
		for i := range d.stickies {
			s := &d.stickies[i]
			if s.route >= len(d.doc.Routes) {
				return // the list is cut where there are very many problems
			}
			r := &d.doc.Routes[s.route]
			for _, host := range r.Match.hostsOrAny() {
				f(s, sharedCookie{host, r.Sticky.Cookie.Name, r.Sticky.Cookie.Path})
			}
		}
	}
	each(func(s *declaredSticky, c sharedCookie) {
		s.clusters = clusterNames(d.doc.Routes[s.route].Clusters)
		if list := holders[c]; len(list) == 0 || len(list) == 1 && list[0].clusters != s.clusters {
			holders[c] = append(list, s)
		}
	})
	taken := d.takenHosts()
	each(func(s *declaredSticky, c sharedCookie) {
		other := s.otherHolder(holders[c][:1])
		for _, wider := range widerHosts(c.host) {
			if other != nil || taken[c.host] {
				break
			}
			c.host = wider
			other = s.otherHolder(holders[c])
		}
		if other == nil || s.told {
			return
		}
		s.told = true
		d.part, d.base, d.path = s.part, s.base, s.path
		d.problem(s.node, "want a cookie of another name or path: route %s gives this one to the same clients for "+
			"other clusters, and each of the two would replace what the other gave (seen %s)",
			d.doc.Routes[other.route].Name, c.name)
	})
}

// otherHolder is the one of list whose clusters are not those of s, nil if there is none.
func (s *declaredSticky) otherHolder(list []*declaredSticky) *declaredSticky {
	for _, other := range list {
		if other.clusters != s.clusters {
			return other
		}
	}
	return nil
}

// clusterNames is the same for two splits of the same clusters, whatever their weights.
func clusterNames(split []WeightedCluster) string {
	names := make([]string, len(split))
	for i, w := range split {
		names[i] = w.Name
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// takenHosts has the hosts of which one route takes all requests. So none of them comes to the routes of a wider host.
func (d *decoder) takenHosts() map[string]bool {
	taken := map[string]bool{}
	for i := range d.doc.Routes {
		r := &d.doc.Routes[i]
		m := &r.Match
		if m.PathPrefix == "/" && len(m.Methods)+len(m.Headers)+len(m.Query)+len(m.Source)+len(r.Listeners) == 0 {
			for _, host := range m.Hosts {
				taken[host] = true
			}
		}
	}
	return taken
}

// widerHosts lists the hosts of matches whose routes are tried behind those of host, in this order.
func widerHosts(host string) (all []string) {
	if host == anyHost[0] {
		return nil
	}
	for i := NextSuffix(host, 0); i > 0; i = NextSuffix(host, i) {
		if wider := "*" + host[i:]; wider != host {
			all = append(all, wider)
		}
	}
	return append(all, anyHost...)
}
