//go:build unix

package sidecar

import (
	"os"
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

// openDescriptors is how many descriptors the process has open; 0 = the system does not tell.
func openDescriptors() int64 {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if names, err := os.ReadDir(dir); err == nil {
			return int64(len(names)) - 1 // one of them was there to read the names
		}
	}
	return 0
}

// processorTime is the time that the process has spent on all processors.
func processorTime() (time.Duration, bool) {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0, false
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), true
}
