package consul

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
)

// maxWeight is the most that Consul tells Envoy, so that both share traffic alike.
const maxWeight = 128

// Endpoints is the response to a query: every instance that is registered, in
// order of address, each address once. None means that nothing is registered (or
// nothing with those tags), and that this was confirmed.
type Endpoints struct {
	Query     Query
	Instances []cluster.Instance // never edited
	Absence   string             // why there is none, though the service is registered: see absenceOf
}

// endpointsOf derives the endpoints of a query from all instances of its service. Of those that the query wants,
// leftOut names the ones without a usable port of its name.
func endpointsOf(q Query, service []cluster.Instance) (e Endpoints, leftOut []string) {
	var found []cluster.Instance
	tags := q.Tags.List()
	for _, i := range service {
		if !tagged(i, tags) {
			continue
		}
		if q.Port != "" {
			var why string
			if i.Address, why = portOf(i, q.Port); why != "" {
				leftOut = append(leftOut, i.Node+"/"+i.ID+": "+why)
			}
		}
		i.Ports = nil
		if i.Address != "" {
			found = append(found, i)
		}
	}
	// An instance that moved to another node stays registered, critical, on the old one for a while. So of two with
	// one address, the healthier is the real one.
	slices.SortFunc(found, func(a, b cluster.Instance) int {
		return cmp.Or(
			cmp.Compare(a.Address, b.Address),
			cmp.Compare(a.State, b.State),
			cmp.Compare(a.Node, b.Node),
			cmp.Compare(a.ID, b.ID),
		)
	})
	found = slices.CompactFunc(found, func(a, b cluster.Instance) bool { return a.Address == b.Address })
	e = Endpoints{Query: q, Instances: found}
	if len(found) == 0 {
		e.Absence = absenceOf(q, service)
	}
	return e, leftOut
}

// portOf is the address of the instance's port of that name, or why there is none.
func portOf(i cluster.Instance, name string) (address, why string) {
	for _, p := range i.Ports {
		if p.Name != name {
			continue
		}
		if p.Address == "" {
			why = fmt.Sprintf("its port %s has no usable address", name)
		}
		return p.Address, why
	}
	if len(i.Ports) == 0 {
		return "", fmt.Sprintf("no port %s: none of its ports has a name", name)
	}
	names := make([]string, min(len(i.Ports), maxPortsNamed))
	for n := range names {
		names[n] = i.Ports[n].Name
	}
	return "", fmt.Sprintf("no port %s, but %s", name, strings.Join(names, ", "))
}

// maxPortsNamed bounds what is told of one instance.
const maxPortsNamed = 8

// tagged tells whether the instance has all tags.
func tagged(i cluster.Instance, tags []string) bool {
	for _, tag := range tags {
		if !slices.ContainsFunc(i.Tags, func(t string) bool { return strings.EqualFold(t, tag) }) {
			return false
		}
	}
	return true
}

// losesInstances reports whether an instance of from is not in to. It also does so where more than half of at least
// four would get no traffic any more. Both are in the order of compareInstances.
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
