package config

import (
	"slices"
	"sync"

	"go.yaml.in/yaml/v4"
)

// leastForked is how many routes are worth a goroutine.
const leastForked = 500

// decodeRoutes reads routes in several goroutines, where the decoder has as many processors, into the places in their
// order. It reports whether it has read all of them, without a problem. If not, no place has a value, and to read them
// one after the other tells what is wrong.
//
// What reads a route may change the path, the problems and the counters of its decoder. Of the rest it changes nothing,
// but for a cluster that is defined by its name alone: see follow.
func decodeRoutes(d *decoder, items []*yaml.Node, places []Route) bool {
	forks := min(d.processors, len(items)/leastForked)
	if forks < 2 || len(places) < len(items) || d.base || d.lenient || d.total > 0 {
		return false
	}
	all := make([]decoder, forks)
	var reading sync.WaitGroup
	for i := range all {
		fork := &all[i]
		*fork = *d
		fork.path, fork.forked, fork.regexes, fork.regexSteps = slices.Clone(d.path), true, 0, 0
		from, to := len(items)*i/forks, len(items)*(i+1)/forks
		reading.Go(func() {
			for j := from; j < to && fork.total == 0; j++ {
				fork.enterItem(j)
				routeBlock.decode(fork, items[j], &places[j])
				fork.leave()
			}
		})
	}
	reading.Wait()
	problems, regexes, steps := 0, d.regexes, d.regexSteps
	for i := range all {
		problems += all[i].total
		regexes, steps = regexes+all[i].regexes, steps+all[i].regexSteps
	}
	if problems > 0 || regexes > maxRegexes || steps > maxAllRegexSteps {
		clear(places)
		return false
	}
	d.regexes, d.regexSteps = regexes, steps
	return true
}
