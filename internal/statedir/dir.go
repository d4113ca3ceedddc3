package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
	others   = 0o077 // what group and others may do

	aside = ".bad" // the end of a name that was in the way
)

// Dir is a directory that this process has for itself until Close. It may be removed, replaced, or made somebody
// else's meanwhile. The next use notices that, and opens what is there then.
type Dir struct {
	path string

	mu sync.Mutex
	// +checklocks:mu
	now *opened // nil: it is not open
	// +checklocks:mu
	closed bool
	// +checklocks:mu
	left map[string]fs.FileInfo // each file as Read or a write last left it
}

// opened is the directory while it is open.
type opened struct {
	root *os.Root
	lock *os.File
	disk disk
}

// At is the directory at a path. Each use of it opens it where that is due; Check tells whether that can be.
func At(path string) *Dir { return &Dir{path: path, left: map[string]fs.FileInfo{}} }

// Open makes the directory if its parent is there, checks that it is ours alone, and locks it. The error is one
// sentence that begins with the path.
func Open(path string) (*Dir, error) {
	d := At(path)
	if err := d.Check(); err != nil {
		return nil, err
	}
	return d, nil
}

// Check opens the directory as Open does, unless it is open and still the one at its path. It tells what is wrong with
// it.
func (d *Dir) Check() error {
	_, err := d.use()
	return err
}

// use gives the open directory.
func (d *Dir) use() (*opened, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, sentence(d.path, fs.ErrClosed)
	}
	if d.now != nil && !d.now.isAt(d.path) {
		d.now.close() // it was removed or renamed
		d.now = nil
	}
	if d.now != nil {
		return d.now, d.now.private(d.path)
	}
	path, err := filepath.Abs(d.path)
	if err != nil {
		return nil, err
	}
	now, err := take(path)
	if err != nil {
		return nil, err
	}
	d.path, d.now = path, now
	return now, nil
}

func take(path string) (*opened, error) {
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
	o := &opened{root: root, lock: lock, disk: &rootDisk{root, lock}}
	if err = o.private(path); err == nil {
		if err = lockFile(lock); err != nil {
			err = fmt.Errorf("%s: in use by another process: %w", path, err)
		}
	}
	if err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

// isAt tells whether what is open is what path names.
func (o *opened) isAt(path string) bool {
	here, err := o.lock.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(here, there)
}

// private tells what is wrong with whose the directory is.
func (o *opened) private(path string) error {
	info, err := o.lock.Stat()
	if err != nil {
		return sentence(path, err)
	}
	if owner, ours := ownerOf(info); !ours {
		return fmt.Errorf("%s: belongs to user %d, want a directory of the user that runs the gateway (%d)",
			path, owner, os.Geteuid())
	}
	if mode := info.Mode().Perm(); mode&others != 0 {
		return fmt.Errorf("%s: mode is %#o, want %#o: others must not read or change it", path, mode, dirMode)
	}
	return nil
}

func (o *opened) close() {
	_ = o.lock.Close() // nothing was written through it
	_ = o.root.Close() // nor through this
}

// Close gives the directory up.
func (d *Dir) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed = true; d.now != nil {
		d.now.close()
		d.now = nil
	}
}

// Intact tells whether a file is as Read or a write last left it. The error says what became of it, or of the
// directory. A file that nothing has left is not looked for.
func (d *Dir) Intact(name string) error {
	o, err := d.use()
	if err != nil {
		return err
	}
	d.mu.Lock()
	left := d.left[name]
	d.mu.Unlock()
	if left == nil {
		return nil
	}
	info, err := o.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("was removed while the gateway ran")
	case err != nil:
	case acceptable(info) != nil:
		err = acceptable(info)
	case !os.SameFile(info, left), info.Size() != left.Size(), !info.ModTime().Equal(left.ModTime()):
		err = errors.New("was changed by another program while the gateway ran")
	}
	if err != nil {
		return sentence(d.file(name), err)
	}
	return nil
}

// leave remembers a file as it is now; nil: there is none that was left.
func (d *Dir) leave(name string, info fs.FileInfo) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left[name] = info
}

// SetAside renames a file, so that it can be looked at and is in nobody's way.
func (d *Dir) SetAside(name string) error {
	o, err := d.use()
	if err != nil {
		return err
	}
	if err := o.root.Rename(name, name+aside); err != nil {
		return sentence(d.file(name), err)
	}
	d.leave(name, nil)
	return nil
}

// Remove deletes a file; that there is none is no error.
func (d *Dir) Remove(name string) error {
	o, err := d.use()
	if err != nil {
		return err
	}
	d.leave(name, nil)
	if err := o.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
