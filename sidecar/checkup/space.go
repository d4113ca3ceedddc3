package checkup

import (
	"fmt"
	"path/filepath"
)

// What is little space on a disk: with tooLittle left a line of a log or a state file may not fit any more. With less
// than scarce, and less than a twentieth of the disk, it is only a question of time.
const (
	tooLittle = 16 << 20
	scarce    = 1 << 30
)

// space tells how much is free where a file is, or would be.
func (c *checkup) space(what, path string) {
	free, size, ok := freeSpace(path)
	if !ok {
		free, size, ok = freeSpace(filepath.Dir(path))
	}
	if !ok {
		return // a device, or a system that does not tell
	}
	c.found(spaceFinding(what, path, free, size))
}

func spaceFinding(what, path string, free, size uint64) Finding {
	const do = "make room on its disk, or have logs rotated"
	f := Finding{Text: fmt.Sprintf("%s: %s free on the disk of %s", what, bytesText(free), path)}
	switch {
	case free < tooLittle:
		f.State, f.Do = Wrong, do
	case free < scarce && free < size/20:
		f.State, f.Do = Notice, do
	}
	return f
}

// bytesText is a number of bytes in the largest unit of which there are ten at least.
func bytesText(n uint64) string {
	units := [...]string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; n >= 10<<10 && i < len(units)-1; i++ {
		n >>= 10
	}
	return fmt.Sprintf("%d %s", n, units[i])
}
