package sock

import "syscall"

// TryRead is read(2) for callbacks of a syscall.RawConn: one attempt on a non-blocking descriptor, made without telling the scheduler, since
// it returns at once. b must not be empty. With an error of 0, a count of 0 is the end of the stream.
func TryRead(fd uintptr, b []byte) (int, syscall.Errno) { return rawRead(fd, b) }

// TryWrite is write(2) under the same terms.
func TryWrite(fd uintptr, b []byte) (int, syscall.Errno) { return rawWrite(fd, b) }

// TryHangup asks how the peer of a descriptor stands, as [Conn.Hangup] does.
func TryHangup(fd uintptr) Hangup { return hangup(fd) }
