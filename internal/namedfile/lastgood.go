package namedfile

import (
	"crypto/sha256"
	"time"
)

// LastGood is the content of files that are read again and again. The last content that was whole is in use. It stays
// so while what is on disk is missing or broken. Its zero value has read nothing. It has no lock of its own.
type LastGood[T any] struct {
	content T
	whole   bool              // there is a content
	digest  [sha256.Size]byte // of what content was made of
	loaded  time.Time
	err     error // why what is on disk is not in use; nil when it is
	broken  time.Time
}

// Change is what a Refresh has found.
type Change uint8

const (
	Same     Change = iota
	Replaced        // new content is in use
	Broke           // what is on disk cannot be used, for a reason that was not known yet
	Mended          // what is on disk is what is in use, after it was broken
)

// maxReadings is how often files are read that are replaced while they are.
const maxReadings = 3

// Refresh reads files of at most a bound in bytes. What differs from the content in use is parsed. parse has the bytes
// of each path, and names in its error the file that is wrong. Either all of it is used, or nothing of it. Files of
// which some were replaced between two of the reads, as behind a link that is swapped, are read once more.
func (l *LastGood[T]) Refresh(
	now time.Time, most int, paths []string, parse func(files [][]byte) (T, error),
) Change {
	var next T
	files, digest, err := readAll(paths, most)
	for reading := 1; ; reading++ {
		if err == nil && l.whole && digest == l.digest {
			was := l.err
			l.err = nil
			if was != nil {
				return Mended
			}
			return Same
		}
		if err == nil {
			next, err = parse(files)
		}
		if err == nil || reading == maxReadings {
			break
		}
		again, sum, failed := readAll(paths, most)
		if sum == digest && (failed == nil || failed.Error() == err.Error()) {
			break // it is not being replaced: what is there is wrong
		}
		files, digest, err = again, sum, failed
	}
	switch {
	case err != nil && l.err != nil && l.err.Error() == err.Error():
		return Same
	case err != nil:
		l.err, l.broken = err, now
		return Broke
	}
	l.content, l.whole, l.digest, l.loaded, l.err = next, true, digest, now, nil
	return Replaced
}

// Content is what is in use.
func (l *LastGood[T]) Content() T { return l.content }

// Err is why what is on disk is not in use; nil when it is.
func (l *LastGood[T]) Err() error { return l.err }

// Since is when the error began or, without one, when the content was loaded.
func (l *LastGood[T]) Since() time.Time {
	if l.err != nil {
		return l.broken
	}
	return l.loaded
}

// readAll reads every path, and gives a digest that depends on where one file ends and the next begins.
func readAll(paths []string, most int) (files [][]byte, digest [sha256.Size]byte, err error) {
	var sums []byte
	for _, path := range paths {
		data, err := Read(path, most)
		if err != nil {
			return nil, digest, err
		}
		sum := sha256.Sum256(data)
		files, sums = append(files, data), append(sums, sum[:]...)
	}
	return files, sha256.Sum256(sums), nil
}
