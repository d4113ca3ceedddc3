package proxy

import (
	"testing"
	"unsafe"
)

// TestConnH1Size: an idle connection is a connH1 and its netio.Conn, so both sit on size classes of the allocator.
func TestConnH1Size(t *testing.T) {
	if n := unsafe.Sizeof(connH1{}); n > 80 {
		t.Errorf("a connH1 takes %d bytes, want at most 80", n)
	}
}
