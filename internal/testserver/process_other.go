//go:build !linux

package testserver

import "syscall"

// dieWithParent has no counterpart here: a server outlives a killed test process.
func dieWithParent() *syscall.SysProcAttr { return nil }

// stopped takes the system's word for it.
func stopped(int) bool { return true }
