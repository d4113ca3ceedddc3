package testserver

import "syscall"

// dieWithParent has the kernel kill a server whose test process was killed before
// it could clean up, as `go test` does at its timeout.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
