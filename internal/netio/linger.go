package netio

import (
	"io"
	"time"
)

// LingerFor and LingerBytes bound how long we go on reading what a peer still sends after the last that we have sent.
// Closing at once would reset the connection, and the reset may overtake that (RFC 9112 section 9.6).
const (
	LingerFor   = 2 * time.Second
	LingerBytes = 1 << 20
)

// Linger ends our side of nc and reads the peer's until its end, at most LingerBytes, or until the deadline that the
// caller has set. Closing nc follows.
func Linger(nc io.Reader) {
	if w, ok := nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, nc, LingerBytes) // however it ends
	}
}
