package sidecar

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// RouteStatus is one route of the revision that serves, in short.
type RouteStatus struct {
	Name  string `json:"name"`
	Match string `json:"match"` // host and path, then the other conditions by their names
	To    string `json:"to"`    // its clusters, or what it answers itself
}

// mostRoutes bounds how many routes a status lists. All are in GET /config.
const mostRoutes = 200

// routes are the first routes of a document, in its order.
func routes(doc *config.Document) []RouteStatus {
	all := []RouteStatus{}
	for i := range doc.Routes[:min(len(doc.Routes), mostRoutes)] {
		r := &doc.Routes[i]
		all = append(all, RouteStatus{Name: r.Name, Match: matchText(&r.Match), To: targetText(r)})
	}
	return all
}

func matchText(m *config.Match) string {
	const mostHosts = 3
	hosts := m.Hosts[:min(len(m.Hosts), mostHosts)]
	text := strings.Join(hosts, " or ")
	if more := len(m.Hosts) - len(hosts); more > 0 {
		text += fmt.Sprintf(" or %d more", more)
	}
	if len(m.Hosts) > 1 {
		text = "(" + text + ")"
	}
	switch {
	case m.Path != "":
		text += m.Path + " (exact)"
	case m.PathRegex != "":
		text += "~ " + m.PathRegex
	default:
		text += m.PathPrefix
	}
	if len(m.Methods) > 0 {
		text += ", " + strings.Join(m.Methods, " or ")
	}
	for i := range m.Headers {
		text += ", header " + m.Headers[i].Name
	}
	for i := range m.Query {
		text += ", query " + m.Query[i].Name
	}
	if len(m.Source) > 0 {
		text += ", from " + networks(m.Source)
	}
	return text
}

func networks(all []netip.Prefix) string {
	if len(all) == 1 {
		return all[0].String()
	}
	return fmt.Sprintf("%d networks", len(all))
}

func targetText(r *config.Route) string {
	switch {
	case r.Redirect.Status != 0:
		return fmt.Sprintf("redirect %d", r.Redirect.Status)
	case r.Respond.Status != 0:
		return fmt.Sprintf("respond %d", r.Respond.Status)
	case len(r.Clusters) == 1:
		return r.Clusters[0].Name
	}
	parts := make([]string, len(r.Clusters))
	for i, c := range r.Clusters {
		parts[i] = fmt.Sprintf("%s %d", c.Name, c.Weight)
	}
	return strings.Join(parts, ", ")
}
