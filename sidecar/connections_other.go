//go:build !unix

package sidecar

func fdLimit() (int64, bool) { return 0, false }
