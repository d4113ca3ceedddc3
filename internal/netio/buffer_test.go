package netio

import "testing"

func TestSized(t *testing.T) {
	for _, row := range []struct{ n, want int }{
		{0, BufferSize}, {1, BufferSize}, {BufferSize, BufferSize}, {BufferSize + 1, BulkSize}, {BulkSize, BulkSize},
		{BulkSize + 1, BulkSize + 1},
	} {
		b := Sized(row.n)
		if len(b.B) != row.want {
			t.Errorf("Sized(%d) has %d bytes, want %d", row.n, len(b.B), row.want)
		}
		b.Free()
	}
	(*Buffer)(nil).Free()
}

// TestFreeRestoresLength: whatever was done to B's length, the next one who takes the buffer finds it whole.
func TestFreeRestoresLength(t *testing.T) {
	for _, take := range []func() *Buffer{NewBuffer, NewHalf, NewBulk} {
		b := take()
		n := len(b.B)
		b.B = b.B[:3]
		b.Free()
		if len(b.B) != n {
			t.Errorf("a buffer of %d bytes went back with %d", n, len(b.B))
		}
	}
}
