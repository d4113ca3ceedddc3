package statedir

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// temporary is the end of a name that is being written.
const temporary = ".new"

// disk is what writing needs of a file system. The test of crashes records what is asked of it.
type disk interface {
	create(name string) (writer, error) // anew, for us alone
	rename(from, to string) error       // replaces to
	remove(name string) error
	sync() error // what was created and renamed is on the disk
}

// writer is a file that is being written.
type writer interface {
	io.WriteCloser
	Sync() error // what was written is on the disk
}

// Write replaces the content of a file, or leaves it as it was. When it returns without an error, the new content
// survives a loss of power. It may block as long as the disk does.
func (d *Dir) Write(name string, content any) error { return d.write(name, content, true) }

// Note is Write for what need not survive a loss of power: it does not wait for the disk.
func (d *Dir) Note(name string, content any) error { return d.write(name, content, false) }

// NoteBytes is Note for bytes, which are written as they are.
func (d *Dir) NoteBytes(name string, content []byte) error {
	text, err := sealBytes(content)
	return d.put(name, text, err, false)
}

func (d *Dir) write(name string, content any, durable bool) error {
	text, err := seal(content)
	return d.put(name, text, err, durable)
}

// put writes what was sealed, unless that failed.
func (d *Dir) put(name string, text []byte, err error, durable bool) error {
	if err != nil {
		return sentence(d.file(name), err)
	}
	o, err := d.use()
	if err != nil {
		return err
	}
	if err := replace(o.disk, name, text, durable); err != nil {
		return sentence(d.file(name), err)
	}
	if info, err := o.root.Lstat(name); err == nil {
		d.leave(name, info)
	}
	return nil
}

// replace writes in the order that a crash cannot harm: the content is on the disk before it has its name.
func replace(to disk, name string, text []byte, durable bool) error {
	err := fill(to, name+temporary, text, durable)
	if err == nil {
		err = to.rename(name+temporary, name)
	}
	if err != nil {
		_ = to.remove(name + temporary) // a full disk needs the room; err says what matters
		return err
	}
	if durable {
		return to.sync()
	}
	return nil
}

func fill(to disk, name string, text []byte, durable bool) error {
	f, err := to.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && durable {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// rootDisk is the real one.
type rootDisk struct {
	root *os.Root
	dir  *os.File
}

// create takes the place of whatever has the name.
func (r *rootDisk) create(name string) (writer, error) {
	const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL | openFlags
	f, err := r.root.OpenFile(name, flags, fileMode)
	if errors.Is(err, fs.ErrExist) && (r.root.Remove(name) == nil || r.root.Rename(name, name+aside) == nil) {
		f, err = r.root.OpenFile(name, flags, fileMode)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// rename sets a directory aside that is in the way.
func (r *rootDisk) rename(from, to string) error {
	err := r.root.Rename(from, to)
	if err == nil {
		return nil
	}
	if info, failed := r.root.Lstat(to); failed != nil || !info.IsDir() {
		return err
	}
	if err := r.root.Rename(to, to+aside); err != nil {
		return errInTheWay
	}
	return r.root.Rename(from, to)
}

// errInTheWay is of a folder that could not be set aside.
var errInTheWay = errors.New("a folder is in the way, remove it")

func (r *rootDisk) remove(name string) error { return r.root.Remove(name) }
func (r *rootDisk) sync() error              { return r.dir.Sync() }
