package docdiff

import (
	"reflect"
	"slices"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// Touched is what may fare otherwise than before.
type Touched struct {
	Routes    []Touch // of the next document, in order
	Listeners []Touch // those of L4
}

// Touch is a route or a listener whose meaning is another, be it for its cluster or for a setting of all.
type Touch struct {
	Next   int // its index
	Before int // that of its partner; -1 = it has none
	// SameMatch: it takes the requests that its partner took.
	SameMatch bool
}

// FindTouched tells what next changes for requests and connections. It is quicker than [Compare].
func FindTouched(before, next *config.Document) Touched {
	var t Touched
	c := comparison{before: before, next: next, changed: changedClusters(before, next)}
	c.all = before.Timeouts != next.Timeouts || before.Limits != next.Limits ||
		!reflect.DeepEqual(before.RequestHeaders, next.RequestHeaders) ||
		!reflect.DeepEqual(before.ResponseHeaders, next.ResponseHeaders)
	known := RoutesOf(before)
	last := -1
	reordered := false
	for i := range next.Routes {
		touch := Touch{Next: i, Before: known.Partner(&next.Routes[i])}
		if touch.Before >= 0 {
			touch.SameMatch = known.sameMatch(touch.Before, &next.Routes[i])
			reordered, last = reordered || touch.Before < last, max(last, touch.Before)
		}
		if touch.Before < 0 || c.route(&before.Routes[touch.Before], &next.Routes[i]) {
			t.Routes = append(t.Routes, touch)
		}
	}
	if reordered { // of two that match the same request, the first takes it
		t.Routes = allRoutes(known, next)
	}
	for i := range next.Listeners {
		l := &next.Listeners[i]
		was := L4Partner(before, l)
		if l.L4() && (was < 0 || c.listener(&before.Listeners[was], l)) {
			t.Listeners = append(t.Listeners, Touch{Next: i, Before: was, SameMatch: was >= 0})
		}
	}
	return t
}

func allRoutes(known Routes, next *config.Document) []Touch {
	all := make([]Touch, len(next.Routes))
	for i := range all {
		was := known.Partner(&next.Routes[i])
		all[i] = Touch{i, was, was >= 0 && known.sameMatch(was, &next.Routes[i])}
	}
	return all
}

// comparison is what is known of two documents.
type comparison struct {
	before, next *config.Document
	same         config.Comparison
	changed      map[string]bool // clusters of next that are not as they were
	all          bool            // a setting of all has changed
}

func (c *comparison) route(was, is *config.Route) bool {
	return c.all && is.Forwards() || !c.same.Routes(was, is) ||
		slices.ContainsFunc(is.Clusters, func(w config.WeightedCluster) bool { return c.changed[w.Name] })
}

func (c *comparison) listener(was, is *config.Listener) bool {
	same := *is
	same.Name = was.Name
	return c.before.Timeouts != c.next.Timeouts || !reflect.DeepEqual(was, &same) || c.changed[is.Cluster] ||
		slices.ContainsFunc(is.SNI, func(s config.SNIRoute) bool { return c.changed[s.Cluster] })
}

// changedClusters are those of next that are not as in before, with those that they stand in for.
func changedClusters(before, next *config.Document) map[string]bool {
	was := make(map[string]*config.Cluster, len(before.Clusters))
	for i := range before.Clusters {
		was[before.Clusters[i].Name] = &before.Clusters[i]
	}
	changed := map[string]bool{}
	var compare config.Comparison
	for i := range next.Clusters {
		c := &next.Clusters[i]
		if old := was[c.Name]; old == nil || !compare.Clusters(old, c) {
			changed[c.Name] = true
		}
	}
	for name, others := range next.Failovers() {
		if slices.ContainsFunc(others, func(other string) bool { return changed[other] }) {
			changed[name] = true
		}
	}
	return changed
}
