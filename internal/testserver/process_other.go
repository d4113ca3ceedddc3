//go:build !linux

package testserver

import "syscall"

// DieWithParent has no counterpart here: a server outlives a killed test process.
func DieWithParent() *syscall.SysProcAttr { return nil }

// stopped takes the system's word for it.
func stopped(int) bool { return true }
