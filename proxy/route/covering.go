package route

import (
	"cmp"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Covering is the name of the route that takes requests for the hosts and the path of m. It is empty if none does, or
// the path is a pattern. What m wants of them besides is not looked at: a route without such conditions is preferred.
func (t *Table) Covering(m *config.Match) string {
	path := cmp.Or(m.Path, strings.TrimSuffix(m.PathPrefix, "/"), "/")
	if m.PathRegex != "" {
		return ""
	}
	hosts := m.Hosts
	if len(hosts) == 0 {
		hosts = []string{""}
	}
	var found *Route
	a := asked{path: []byte(path), work: new(Workspace)}
	for _, host := range hosts {
		if suffix, wild := config.WildcardSuffix(host); wild {
			host = "any" + suffix
		}
		for _, rt := range t.router.tried([]byte(host), &a) {
			if rt.Config.Match.Path != "" && m.Path == "" {
				continue // one path of many
			}
			if rt.wants.count() == 0 {
				return rt.Name
			}
			found = cmp.Or(found, rt)
		}
	}
	if found == nil {
		return ""
	}
	return found.Name
}
