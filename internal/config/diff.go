package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxChanges keeps the log line of a revision a line.
const maxChanges = 50

// Diff tells in short lines what a revision changes: "route checkout added",
// "cluster a: endpoints changed". The first revision is told by its counts.
func Diff(old, new *Document) []string {
	if old == nil {
		return []string{counted(len(new.Listeners), "listener") + ", " + counted(len(new.Routes), "route") + ", " +
			counted(len(new.Clusters), "cluster")}
	}
	listener := func(l *Listener) string { return l.Name }
	route := func(r *Route) string { return r.Name }
	cluster := func(c *Cluster) string { return c.Name }
	var lines []string
	lines = append(lines, diffItems("listener", &listenerBlock, old.Listeners, new.Listeners, listener)...)
	lines = append(lines, diffItems("route", &routeBlock, old.Routes, new.Routes, route)...)
	lines = append(lines, diffItems("cluster", &clusterBlock, old.Clusters, new.Clusters, cluster)...)
	lines = append(lines, diffKeys("timeouts", timeoutsBlock.changed(&old.Timeouts, &new.Timeouts))...)
	lines = append(lines, diffKeys("limits", limitsBlock.changed(&old.Limits, &new.Limits))...)
	lines = append(lines, diffKeys("access_log", accessLogBlock.changed(&old.AccessLog, &new.AccessLog))...)
	lines = append(lines, diffKeys("apply", applyBlock.changed(&old.Apply, &new.Apply))...)
	lines = append(lines, diffKeys("request_headers",
		requestEditsBlock.changed(&old.RequestHeaders, &new.RequestHeaders))...)
	lines = append(lines, diffKeys("response_headers",
		responseEditsBlock.changed(&old.ResponseHeaders, &new.ResponseHeaders))...)
	lines = append(lines, diffKeys("error_pages", changedPages(old.ErrorPages, new.ErrorPages))...)
	if len(lines) > maxChanges {
		more := len(lines) - maxChanges + 1
		lines = append(lines[:maxChanges-1], fmt.Sprintf("and %d more changes", more))
	}
	return lines
}

// counted writes a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// diffItems compares two lists by their items' names.
func diffItems[T any](word string, b *block[T], old, new []T, name func(*T) string) []string {
	var lines []string
	before := make(map[string]*T, len(old))
	for i := range old {
		before[name(&old[i])] = &old[i]
	}
	var kept []string // in the new order
	for i := range new {
		n := name(&new[i])
		o := before[n]
		if o == nil {
			lines = append(lines, word+" "+n+" added")
			continue
		}
		kept = append(kept, n)
		lines = append(lines, diffKeys(word+" "+n, b.changed(o, &new[i]))...)
		delete(before, n)
	}
	var stayed []string // in the old order
	for i := range old {
		n := name(&old[i])
		if before[n] != nil {
			lines = append(lines, word+" "+n+" removed")
			continue
		}
		stayed = append(stayed, n)
	}
	if !slices.Equal(kept, stayed) {
		lines = append(lines, word+"s in another order")
	}
	return lines
}

func diffKeys(what string, keys []string) []string {
	if len(keys) == 0 {
		return nil
	}
	return []string{what + ": " + strings.Join(keys, ", ") + " changed"}
}
