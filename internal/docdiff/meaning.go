package docdiff

import (
	"fmt"
	"slices"

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
	if removed > 0 {
		all = append(all, fmt.Sprintf("requests of %s go to other routes, or are answered with 404", counted(removed)))
	}
	without := 0
	for i := range next.Routes {
		to := next.Routes[i].Clusters
		if len(to) > 0 && !slices.ContainsFunc(to, func(w config.WeightedCluster) bool {
			return w.Weight > 0 && !slices.Contains(empty, w.Name)
		}) {
			without++
		}
	}
	if without > 0 {
		all = append(all, fmt.Sprintf("%s would have no endpoint", counted(without)))
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
