package netio

import (
	"testing"
	"unsafe"
)

// TestConnSize: there is a Conn for each idle connection. It fills a size class of the allocator; one word more would
// cost 16 bytes.
func TestConnSize(t *testing.T) {
	if n := unsafe.Sizeof(Conn{}); n > 224 {
		t.Errorf("a Conn takes %d bytes, want at most 224", n)
	}
}
