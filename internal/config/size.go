package config

import (
	"errors"
	"strconv"
	"strings"
)

// maxSize is far more than any one message; it keeps sums from overflowing.
const maxSize = 1 << 50

// sizeUnits is ordered so that no suffix hides a longer one.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"B", 1},
}

// ParseSize reads a number of bytes: 65536, 64KiB, 64kB (64000), 10MiB, 1GiB. Its error says what is wanted, without
// what was seen.
func ParseSize(s string) (int64, error) {
	number, unit := s, int64(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			number, unit = strings.TrimSuffix(n, " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	switch {
	case err != nil || strconv.FormatInt(n, 10) != number:
		return 0, errors.New("want a size such as 65536, 64KiB or 10MB")
	case n < 0 || n > maxSize/unit:
		return 0, errors.New("want a size from 0 to 1PiB")
	}
	return n * unit, nil
}
