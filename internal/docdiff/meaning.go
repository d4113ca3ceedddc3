package docdiff

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Meaning says what follows from the changes, a sentence each. empty are clusters of next without any instance in the
// catalog.
func Meaning(changes []Change, next *config.Document, empty []string) []string {
	var all []string
	for _, c := range changes {
		switch {
		case c.Kind == "listener" && c.What == Removed:
			all = append(all, fmt.Sprintf("listener %s: accepts nothing new, open connections live on", c.Name))
		case c.Kind == "listener" && c.What == Changed && has(c, "address"):
			all = append(all, fmt.Sprintf("listener %s: address changes, open connections live on", c.Name))
		}
	}
	removed := 0
	for _, c := range changes {
		if c.Kind == "route" && c.What == Removed {
			removed++
		}
	}
	switch {
	case removed > 0 && len(next.Routes) == 0:
		all = append(all, noRoute+": every request is answered with 404")
	case removed > 0:
		all = append(all, fmt.Sprintf("requests of %s go to other routes, or are answered with 404", counted(removed)))
	}
	all = append(all, letsIn(changes, next)...)
	all = append(all, drawsAnew(changes, next)...)
	all = append(all, mirrors(changes, next)...)
	all = append(all, otherPages(changes)...)
	return append(all, without(next, empty)...)
}

const noRoute = "no route is left"

// Emptied says that next leaves nothing of what before does: no route, or neither a route nor an L4 listener. It is
// empty where something is left, or there was nothing. before may be nil.
func Emptied(before, next *config.Document) string {
	switch {
	case before == nil || len(next.Routes) > 0:
		return ""
	case len(before.Routes) > 0:
		return noRoute + " of " + strconv.Itoa(len(before.Routes))
	case forwards(before) && !forwards(next):
		return "no listener is left that forwards TCP"
	}
	return ""
}

// forwards tells whether a document has an L4 listener.
func forwards(doc *config.Document) bool {
	return slices.ContainsFunc(doc.Listeners, func(l config.Listener) bool { return l.L4() })
}

// drawsAnew says which clients leave the cluster at which a route has kept them.
func drawsAnew(changes []Change, next *config.Document) (all []string) {
	sticky := map[string]bool{}
	for i := range next.Routes {
		if r := &next.Routes[i]; r.Sticky.Cookie.Name != "" {
			sticky[r.Name] = true
		}
	}
	for _, c := range changes {
		if c.Kind != "route" || c.What != Changed || !sticky[c.Name] {
			continue
		}
		var gone []string
		for _, f := range c.Fields {
			name, cluster := strings.CutPrefix(f.Path, "clusters.")
			switch {
			case f.Path == "sticky.cookie.name" && f.Before != "":
				all = append(all,
					fmt.Sprintf("route %s: the cookie has another name, so all clients are drawn anew", c.Name))
			case cluster && f.After == "":
				gone = append(gone, name)
			}
		}
		if len(gone) > 0 {
			all = append(all, fmt.Sprintf("route %s: clients that stay at %s are drawn anew", c.Name,
				strings.Join(gone, " or ")))
		}
	}
	return all
}

// mirrors says of which routes copies go to another cluster from now on: that may write too.
func mirrors(changes []Change, next *config.Document) []string {
	began := map[string]bool{} // names of routes
	for _, c := range changes {
		mirror := func(f Field) bool { return strings.HasPrefix(f.Path, "mirror.") }
		if c.Kind == "route" && (c.What == Added || slices.ContainsFunc(c.Fields, mirror)) {
			began[c.Name] = true
		}
	}
	var all []string
	for i := range next.Routes {
		if r := &next.Routes[i]; r.Mirror.Cluster != "" && began[r.Name] {
			all = append(all, fmt.Sprintf("route %s: copies of its requests, %s", r.Name, r.Mirror))
		}
	}
	return all
}

// otherPages says which responses of the gateway look otherwise.
func otherPages(changes []Change) []string {
	i := slices.IndexFunc(changes, func(c Change) bool { return c.Kind == "error_pages" })
	if i < 0 {
		return nil
	}
	var statuses []string
	for _, f := range changes[i].Fields {
		status, _, _ := strings.Cut(f.Path, ".")
		statuses = append(statuses, status)
	}
	return []string{"responses of the gateway itself have another body: " +
		strings.Join(slices.Compact(statuses), ", ")}
}

// without says which routes and L4 listeners of next would have no endpoint.
func without(next *config.Document, empty []string) []string {
	if len(empty) == 0 {
		return nil
	}
	others := next.Failovers()
	none := func(cluster string) bool {
		filled := func(name string) bool { return !slices.Contains(empty, name) }
		return !filled(cluster) && !slices.ContainsFunc(others[cluster], filled)
	}
	empties := func(to []config.WeightedCluster) bool {
		return len(to) > 0 && !slices.ContainsFunc(to, func(w config.WeightedCluster) bool {
			return w.Weight > 0 && !none(w.Name)
		})
	}
	routes := 0
	var all []string
	for i := range next.Routes {
		r := &next.Routes[i]
		if empties(r.Clusters) {
			routes++
		}
		if asked := r.Asks(); empties(asked) {
			all = append(all, fmt.Sprintf("route %s would let nobody in: %s, which it asks, has no endpoint", r.Name,
				asked[0].Name))
		}
	}
	if routes > 0 {
		all = append(all, fmt.Sprintf("%s would have no endpoint", counted(routes)))
	}
	for i := range next.Listeners {
		l := &next.Listeners[i]
		if l.Cluster != "" && none(l.Cluster) {
			all = append(all, fmt.Sprintf("listener %s would have no endpoint", l.Name))
		}
		for _, s := range l.SNI {
			if none(s.Cluster) {
				all = append(all, fmt.Sprintf("listener %s would have no endpoint for %s", l.Name, s.Host))
			}
		}
	}
	return all
}

func has(c Change, path string) bool {
	return slices.ContainsFunc(c.Fields, func(f Field) bool { return f.Path == path })
}

func counted(routes int) string {
	if routes == 1 {
		return "1 route"
	}
	return fmt.Sprintf("%d routes", routes)
}
