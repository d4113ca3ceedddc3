package http2

import (
	"runtime"
	"runtime/debug"
)

// recoverPanic is deferred around what delivers events. A panic there is a bug of the owner's or of ours, met by one
// stream as a rule. It ends this connection with INTERNAL_ERROR, and must not end the process with all the others.
//
// Locks that a panic has left locked stay so. Of this connection's own, which everybody would wait for, the process had
// better end.
func (r *reader) recoverPanic(err *error) {
	c := r.c
	if c.opt.Panicked == nil {
		return
	}
	p := recover()
	if p == nil {
		return
	}
	c.opt.Panicked(p, debug.Stack())
	if !c.lockable() {
		panic(p)
	}
	*err = connError(InternalError, "panic")
}

// lockable tells whether the lock can be had. Others hold it only for as long as it takes to append something.
//
// +checklocksignore
func (c *Conn) lockable() bool {
	for range lockTries {
		if c.mu.TryLock() {
			c.mu.Unlock()
			return true
		}
		runtime.Gosched()
	}
	return false
}

// lockTries is some milliseconds' worth.
const lockTries = 1 << 16
