//go:build !linux

package netio

import "syscall"

// Splice is not to be had here.
func Splice(_, _ uintptr, _ int) (int, syscall.Errno) { return 0, syscall.ENOSYS }

// newPipe has none: buffers do.
func newPipe() *Pipe { return nil }

func (p *Pipe) close() {}
