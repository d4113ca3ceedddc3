//go:build unix

package statedir

import (
	"io/fs"
	"os"
	"syscall"
)

// openFlags keep a file that is not ours from being followed to, or waited for.
const openFlags = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// ownerOf tells whose a file is, and whether that is us.
func ownerOf(info fs.FileInfo) (owner uint32, ours bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, true // a file system without owners
	}
	return st.Uid, int(st.Uid) == os.Geteuid()
}

// lockFile locks an open file for this process, until it is closed.
func lockFile(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
