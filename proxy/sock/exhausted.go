package sock

import (
	"errors"
	"syscall"
)

// Exhausted tells whether a connection could not be made because this process or its host has run out of something it takes: descriptors, local
// ports or memory. That is nobody else's fault.
func Exhausted(err error) bool {
	for _, e := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
