//go:build race

package sidecar_test

var buildFlags = []string{"-race"}

// slowness is how many times longer things may take than they should.
const slowness = 3 // the race detector
