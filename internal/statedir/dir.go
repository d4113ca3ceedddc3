package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
	others   = 0o077 // what group and others may do
)

// Dir is a directory that this process has for itself until Close.
type Dir struct {
	path string
	root *os.Root
	lock *os.File
	disk disk
}

// Open makes the directory if its parent is there, checks that it is ours alone, and locks it. The error is one
// sentence that begins with the path.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(path, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, sentence(path, err)
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return nil, sentence(path, syscall.ENOTDIR) // to open a pipe would wait for who writes to it
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, sentence(path, err)
	}
	lock, err := root.Open(".")
	if err != nil {
		return nil, errors.Join(sentence(path, err), root.Close())
	}
	d := &Dir{path: path, root: root, lock: lock, disk: &rootDisk{root, lock}}
	if err := d.check(); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Dir) check() error {
	info, err := d.lock.Stat()
	if err != nil {
		return sentence(d.path, err)
	}
	if owner, ours := ownerOf(info); !ours {
		return fmt.Errorf("%s: belongs to user %d, want a directory of the user that runs the gateway (%d)",
			d.path, owner, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("%s: mode is %#o, want %#o: others must not read or change it", d.path, mode, dirMode)
	}
	if err := lockFile(d.lock); err != nil {
		return fmt.Errorf("%s: in use by another process: %w", d.path, err)
	}
	return nil
}

// Close gives the directory up.
func (d *Dir) Close() {
	_ = d.lock.Close() // nothing was written through it
	_ = d.root.Close() // nor through this
}

// SetAside renames a file, so that it can be looked at and is in nobody's way.
func (d *Dir) SetAside(name string) error {
	if err := d.root.Rename(name, name+".bad"); err != nil {
		return sentence(d.file(name), err)
	}
	return nil
}

// Remove deletes a file; that there is none is no error.
func (d *Dir) Remove(name string) error {
	if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return sentence(d.file(name), err)
	}
	return nil
}

func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

// sentence says what is wrong after the path, without the name of the call.
func sentence(path string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
