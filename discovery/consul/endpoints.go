package consul

import (
	"cmp"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// maxWeight is the most that Consul tells Envoy, so that both share traffic alike.
const maxWeight = 128

// Query names the instances that a cluster wants. Equal queries share one watch,
// and so do those that differ only in Tags.
type Query struct {
	Service    string
	Tags       config.Tags `json:"Tag"`        // all of them; upper and lower case are the same to Consul
	Filter     string      `json:",omitempty"` // Consul's to evaluate; empty = none
	Datacenter string      // empty = the agent's
}

func (q Query) String() string {
	s := q.Service
	if q.Tags != "" {
		s += " " + q.Tags.String()
	}
	if q.Filter != "" {
		s += " filter " + q.Filter
	}
	if q.Datacenter != "" {
		s += " dc " + q.Datacenter
	}
	return s
}

// Endpoints is the response to a query: every instance that is registered, in
// order of address, each address once. None means that nothing is registered (or
// nothing with those tags), and that this was confirmed.
type Endpoints struct {
	Query     Query
	Instances []cluster.Instance // never edited
}

// endpointsOf derives the endpoints of a query from all instances of its service.
func endpointsOf(q Query, service []cluster.Instance) Endpoints {
	var found []cluster.Instance
	tags := q.Tags.List()
	for _, i := range service {
		if i.Address != "" && tagged(i, tags) {
			found = append(found, i)
		}
	}
	// An instance that moved to another node stays registered, critical, on the
	// old one for a while: of two with one address the healthier is the real one.
	slices.SortFunc(found, func(a, b cluster.Instance) int {
		return cmp.Or(
			cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.State, b.State),
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(a.ID, b.ID),
		)
	})
	found = slices.CompactFunc(found, func(a, b cluster.Instance) bool { return a.Address == b.Address })
	return Endpoints{Query: q, Instances: found}
}

// tagged tells whether the instance has all tags.
func tagged(i cluster.Instance, tags []string) bool {
	for _, tag := range tags {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) {
			return false
		}
	}
	return true
}

// losesInstances reports whether an instance of from is not in to, or whether more than half of at
// least four would get no traffic any more. Both are in the order of compareInstances.
func losesInstances(from, to []cluster.Instance) bool {
	if n := usable(from); n >= 4 && 2*usable(to) < n {
		return true
	}
	for _, i := range from {
		if _, found := slices.BinarySearchFunc(to, i, compareInstances); !found {
			return true
		}
	}
	return false
}

// usable counts the instances that would get traffic.
func usable(instances []cluster.Instance) (n int) {
	for _, i := range instances {
		if i.State < cluster.Critical {
			n++
		}
	}
	return n
}

// sameInstances reports whether b says nothing new after a.
func sameInstances(a, b []cluster.Instance) bool {
	return slices.EqualFunc(a, b, cluster.Instance.Same)
}
