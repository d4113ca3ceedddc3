package sidecar

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/docdiff"
)

// coverage is for how many of the requests of a route, or of the connections of an L4 listener, there is an endpoint.
// It counts in weights.
type coverage struct {
	usable int // of the clusters that have an endpoint, be it one that the catalog calls critical
	good   int // of those that have another one
	all    int // 0: nothing is sent anywhere
}

func (c coverage) none() bool { return c.all > 0 && c.usable == 0 }

// lacks tells whether more requests than in before would find no endpoint, or only such as the catalog calls critical.
func (c coverage) lacks(before coverage) bool {
	return c.lessThan(before, func(c coverage) int { return c.usable }) ||
		c.lessThan(before, func(c coverage) int { return c.good })
}

// ends tells whether no request at all would find an endpoint, and some in before.
func (c coverage) ends(before coverage) bool { return c.none() && !before.none() }

func (c coverage) lessThan(before coverage, part func(coverage) int) bool {
	switch {
	case c.all == 0:
		return false
	case before.all == 0:
		return part(c) < c.all
	}
	return part(c)*before.all < part(before)*c.all
}

// outlook is what the clusters of a document have.
type outlook struct {
	reach   func(cluster string) cluster.Reach
	follows func(cluster string) string // why it has no endpoint, if it is known; nil: it never is
}

// outlook is what the clusters of the revision have now. One that may be empty by the author's will lacks nothing.
func (r *revision) outlook() outlook {
	return outlook{
		reach: func(name string) cluster.Reach {
			c := r.clusters[name]
			switch {
			case c == nil:
				return cluster.NoEndpoint
			case c.Config().AllowEmpty:
				return cluster.HasEndpoint
			}
			return c.Reach()
		},
		follows: func(name string) string {
			if c := r.clusters[name]; c != nil {
				return c.Lack()
			}
			return ""
		},
	}
}

// of is the coverage of what is sent to some clusters by weight. Nothing is sent where a route responds itself.
func (o outlook) of(to []config.WeightedCluster) (c coverage) {
	for _, w := range to {
		reach := o.reach(w.Name)
		if c.all += w.Weight; reach >= cluster.CriticalOnly {
			c.usable += w.Weight
		}
		if reach >= cluster.HasEndpoint {
			c.good += w.Weight
		}
	}
	if len(to) > 0 {
		c.all = max(c.all, 1) // weights of 0 alone: every request is refused
	}
	return c
}

// lack says which of the clusters lack endpoints, and why: "no endpoint in shop (consul service shop: not in the
// catalog), for 10 % of it".
func (o outlook) lack(to []config.WeightedCluster) string {
	c := o.of(to)
	what, least, missing := "no endpoint in ", cluster.NoEndpoint, c.all-c.usable
	if missing == 0 {
		what, least, missing = "only endpoints that Consul calls critical in ", cluster.CriticalOnly, c.all-c.good
	}
	var names []string
	for _, w := range to {
		if o.reach(w.Name) <= least && (w.Weight > 0 || missing == c.all) {
			names = append(names, w.Name+o.why(w.Name))
		}
	}
	text := what + strings.Join(names, ", ")
	if missing < c.all {
		text += fmt.Sprintf(", for %d %% of it", max(1, 100*missing/c.all))
	}
	return text
}

func (o outlook) why(name string) string {
	if o.follows == nil {
		return ""
	}
	if why := o.follows(name); why != "" {
		return " (" + why + ")"
	}
	return ""
}

// forwarded is where an L4 listener sends connections, by server name; "" for those without a rule.
func forwarded(l *config.Listener) map[string][]config.WeightedCluster {
	all := map[string][]config.WeightedCluster{}
	if l.Cluster != "" {
		all[""] = []config.WeightedCluster{{Name: l.Cluster, Weight: 1}}
	}
	for i := range l.SNI {
		all[l.SNI[i].Host] = []config.WeightedCluster{{Name: l.SNI[i].Cluster, Weight: 1}}
	}
	return all
}

// takenOver tells where what serves sends the connections which an L4 listener of another document takes, by server
// name. usable tells whether that has an endpoint. ok is false where nobody took them.
func takenOver(
	serves *config.Document, l *config.Listener, usable func([]config.WeightedCluster) bool,
) (before func(host string) (to []config.WeightedCluster, ok bool)) {
	was := docdiff.L4Partner(serves, l)
	if was < 0 {
		to, ok := takenFromHTTP(serves, l, usable)
		return func(string) ([]config.WeightedCluster, bool) { return to, ok }
	}
	then, next := forwarded(&serves.Listeners[was]), forwarded(l)
	return func(host string) ([]config.WeightedCluster, bool) {
		if to := then[host]; to != nil {
			return to, usable(to)
		}
		// A rule that is gone, and whose connections this one may take.
		for _, gone := range slices.Sorted(maps.Keys(then)) {
			if to := then[gone]; next[gone] == nil && covers(gone, host) && usable(to) {
				return to, true
			}
		}
		return nil, false
	}
}

// covers tells whether one of two rules for server names takes what the other one would take without it.
func covers(a, b string) bool {
	within := func(rule, name string) bool {
		suffix, wild := config.WildcardSuffix(rule)
		return rule == "" || rule == "*" || wild && strings.HasSuffix(name, suffix)
	}
	return within(a, b) || within(b, a)
}

// takenFromHTTP is takenOver for an L4 listener in the place of one of HTTP: where a route sends requests that has an
// endpoint.
func takenFromHTTP(
	serves *config.Document, l *config.Listener, usable func([]config.WeightedCluster) bool,
) (to []config.WeightedCluster, ok bool) {
	same := func(was config.Listener) bool { return !was.L4() && config.SameAddress(was.Address, l.Address) }
	if !l.L4() || !slices.ContainsFunc(serves.Listeners, same) {
		return nil, false
	}
	at := slices.IndexFunc(serves.Routes, func(r config.Route) bool { return usable(r.Clusters) })
	if at < 0 {
		return nil, false
	}
	return serves.Routes[at].Clusters, true
}
