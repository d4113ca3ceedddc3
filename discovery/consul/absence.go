package consul

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
)

// absenceOf says why a query finds none of the instances of its service, as the end of a sentence about the cluster.
// It is empty where there is nothing to say but that the service is not in the catalog.
func absenceOf(q Query, service []cluster.Instance) string {
	if len(service) == 0 {
		if q.Filter != "" {
			return "not in the catalog, or no instance fits the filter"
		}
		return ""
	}
	tags := q.Tags.List()
	wanted := slices.DeleteFunc(slices.Clone(service), func(i cluster.Instance) bool { return !tagged(i, tags) })
	one := len(wanted) == 1
	switch {
	case len(wanted) == 0 && len(service) == 1:
		return "its only instance does not have the " + q.Tags.String()
	case len(wanted) == 0:
		return fmt.Sprintf("none of its %d instances has the %s", len(service), q.Tags)
	case q.Port == "" && one:
		return "its only instance has no usable address"
	case q.Port == "":
		return fmt.Sprintf("none of its %d instances has a usable address", len(wanted))
	case one:
		return fmt.Sprintf("its only instance has no usable port %s: %s", q.Port, portsOf("its", wanted))
	}
	return fmt.Sprintf("none of its %d instances has a usable port %s: %s", len(wanted), q.Port,
		portsOf("their", wanted))
}

// portsOf names the ports that instances have, each name once: "their ports are api, http".
func portsOf(whose string, instances []cluster.Instance) string {
	var names []string
	for _, i := range instances {
		for _, p := range i.Ports {
			names = append(names, p.Name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	more := ""
	switch n := len(names); {
	case n == 0:
		return "none of " + whose + " ports has a name"
	case n == 1:
		return whose + " only named port is " + names[0]
	case n > maxPortsNamed:
		more = fmt.Sprintf(" and %d more", n-maxPortsNamed)
		names = names[:maxPortsNamed]
	}
	return whose + " ports are " + strings.Join(names, ", ") + more
}
