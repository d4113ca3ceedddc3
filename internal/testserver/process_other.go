//go:build !linux

package testserver

import "syscall"

// dieWithParent has no counterpart here: a server outlives a killed test process.
func dieWithParent() *syscall.SysProcAttr { return nil }
