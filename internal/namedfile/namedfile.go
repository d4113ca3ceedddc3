// Package namedfile opens the files that settings name: the document, certificates, tokens, logs. Nothing here waits
// for anybody: a path may turn out to be a pipe that nobody writes, or a file without an end.
//
// # Promises
//
// Read takes regular files only, and reads no more than its bound. Append never waits for a reader. Both are safe from
// any goroutine. Errors name the path and keep fs.ErrNotExist and its like. What is read again and again is kept by a
// LastGood: what goes wrong on disk takes nothing away.
package namedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ErrNotRegular is the error of Read for a folder, a pipe, a socket or a device.
var ErrNotRegular = errors.New("not a regular file")

// ErrNoReader is the error of Append for a pipe or a socket that is not read.
var ErrNoReader = errors.New("a pipe or socket that nobody reads")

// Read reads a regular file of at most a bound, in bytes.
func Read(path string, most int) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // what opening a socket is answered with, and some devices
		return nil, notRegular(path, fs.ModeSocket)
	}
	if err != nil {
		return nil, pathError(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, pathError(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, notRegular(path, info.Mode())
	}
	if info.Size() > int64(most) {
		return nil, fmt.Errorf("%s: larger than %s (%d bytes)", path, size(most), info.Size())
	}
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, pathError(path, err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("%s: larger than %s (%d bytes)", path, size(most), max(info.Size(), int64(len(data))))
	}
	return data, nil
}

// Append opens a file to write behind what it holds, and makes it (0640) where there is none. It may be a regular file,
// a device such as /dev/stdout, or a pipe that somebody reads. Its errors are those of os.OpenFile.
func Append(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NONBLOCK, 0o640)
	if errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("open %s: %w", path, ErrNoReader)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// notRegular is the error for what is no file with content of its own.
func notRegular(path string, mode fs.FileMode) error {
	what := "a device"
	switch {
	case mode.IsDir():
		what = "a folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "a pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	}
	return fmt.Errorf("%s: %w (%s)", path, ErrNotRegular, what)
}

func size(n int) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// pathError says what is wrong after the path, without the name of the call.
func pathError(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
