//go:build !race

package testserver

// Race tells that the race detector is at work: what computes takes ten times as long, so that how long it takes says
// nothing.
const Race = false
