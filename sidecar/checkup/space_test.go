package checkup

import "testing"

func TestSpace(t *testing.T) {
	for _, row := range []struct {
		free, size uint64
		state      State
		text       string
	}{
		{0, 1 << 40, Wrong, "access log: 0 bytes free on the disk of a.log"},
		{10<<20 + 1, 1 << 40, Wrong, "access log: 10 MiB free on the disk of a.log"},
		{15 << 20, 16 << 20, Wrong, "access log: 15 MiB free on the disk of a.log"},
		{20 << 20, 32 << 20, Good, "access log: 20 MiB free on the disk of a.log"}, // a small disk
		{1000 << 20, 100 << 30, Notice, "access log: 1000 MiB free on the disk of a.log"},
		{1 << 30, 100 << 30, Good, "access log: 1024 MiB free on the disk of a.log"},
		{100 << 30, 1 << 40, Good, "access log: 100 GiB free on the disk of a.log"},
	} {
		f := spaceFinding("access log", "a.log", row.free, row.size)
		if f.State != row.state || f.Text != row.text || (f.Do == "") != (row.state == Good) {
			t.Errorf("%d of %d: %+v, want %v, %q", row.free, row.size, f, row.state, row.text)
		}
	}
}
