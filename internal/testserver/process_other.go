//go:build !linux

package testserver

import (
	"syscall"
	"time"
)

// DieWithParent has no counterpart here: a server outlives a killed test process.
func DieWithParent() *syscall.SysProcAttr { return nil }

// stopped takes the system's word for it.
func stopped(int) bool { return true }

// CPU is not known here.
func CPU(int) (used time.Duration, ok bool) { return 0, false }
