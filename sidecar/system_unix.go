//go:build unix

package sidecar

import (
	"time"

	"golang.org/x/sys/unix"
)

// fdLimit is how many descriptors the process may have open. The runtime has raised it to the hard limit already.
func fdLimit() (int64, bool) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, false
	}
	return int64(min(r.Cur, 1<<40)), true
}

// processorTime is the time that the process has spent on all processors.
func processorTime() (time.Duration, bool) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0, false
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), true
}
