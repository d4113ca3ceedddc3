//go:build race

package sidecar_test

var buildFlags = []string{"-race"}
