//go:build race

package cluster

// underRace tells that the race detector is on, which allocates with us and takes ten times longer.
const underRace = true
