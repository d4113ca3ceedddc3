//go:build !race

package netio

import (
	"testing"
	"time"
)

// TestNoAllocations: the race detector would make the pools forget.
func TestNoAllocations(t *testing.T) {
	s := NewSweeper()
	ours, peer := dialled(t)
	a, b := New(ours, s, time.Hour), New(peer, s, time.Hour)
	defer a.Close()
	defer b.Close()
	p := make([]byte, 64)
	step := func() {
		a.SetReadDeadline(s.Now() + int64(time.Hour))
		if !a.Quiet() {
			t.Fatal("not quiet")
		}
		if _, err := a.Write(p); err != nil {
			t.Fatal(err)
		}
		buf, n, err := b.ReadFirst()
		if err != nil {
			t.Fatal(err)
		}
		if _, err = b.Write(buf.B[:n]); err != nil {
			t.Fatal(err)
		}
		buf.Free()
		if _, err = a.Read(p); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("a round trip allocates %v times, want 0", n)
	}
}
