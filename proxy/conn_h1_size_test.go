package proxy

import (
	"testing"
	"unsafe"
)

// TestServer1Size: an idle connection is a server1 and its netio.Conn, so both sit on size classes of the allocator.
func TestServer1Size(t *testing.T) {
	if n := unsafe.Sizeof(server1{}); n > 80 {
		t.Errorf("a server1 takes %d bytes, want at most 80", n)
	}
}
