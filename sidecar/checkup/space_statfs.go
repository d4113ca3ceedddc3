//go:build linux || darwin

package checkup

import (
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace is how many bytes of a disk are free for who asks, and how many it has. It is false for what is neither a
// regular file nor a directory.
func freeSpace(path string) (free, size uint64, ok bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
		return 0, 0, false
	}
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil || s.Blocks == 0 {
		return 0, 0, false
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize), true
}
