package config

import (
	"slices"

	"go.yaml.in/yaml/v4"
)

// Sticky keeps a client at the cluster of a split for which its first request was drawn.
type Sticky struct {
	Cookie Cookie // names the cluster; made when the client has none, or one that names no cluster of the split
}

var stickyBlock = block[Sticky]{
	form: "{cookie: {name: canary}}",
	fields: []field[Sticky]{
		at("cookie", func(s *Sticky) *Cookie { return &s.Cookie }, madeCookie),
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
