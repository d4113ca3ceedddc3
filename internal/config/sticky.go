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
		if prefix := securePrefix(s.Cookie.Name); prefix != "" {
			d.enter("cookie")
			d.problemIn(valueOf(n, "cookie"), "name", "want a name that does not begin with %s: browsers keep such a "+
				"cookie only with Secure, which it has not (seen %s)", prefix, s.Cookie.Name)
			d.leave()
		}
	},
}

// securePrefix is what a name begins with that browsers bind to the attribute Secure, in any case; else empty.
func securePrefix(name string) string {
	for _, prefix := range []string{"__Secure-", "__Host-"} {
		if len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix) {
			return prefix
		}
	}
	return ""
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
