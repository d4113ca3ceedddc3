package statedir

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// open makes a directory for a test.
func open(t *testing.T) *Dir {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "state"))
}

func openAt(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// Whatever becomes of the directory while it is open, it is named, and the directory is good again when it can be.
func TestDirectorySpoiledWhileOpen(t *testing.T) {
	must := func(t *testing.T, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name        string
		spoil       func(t *testing.T, dir, file string)
		intact      string // a part of what Intact says
		write       string // a part of what Write says; empty: it succeeds
		mend        func(t *testing.T, dir, file string)
		stillSpoilt bool // by the time Intact is asked again without a write
	}{
		{"file removed", func(t *testing.T, _, file string) { must(t, os.Remove(file)) },
			"was removed while the gateway ran", "", nil, true},
		{"file cut", func(t *testing.T, _, file string) { must(t, os.Truncate(file, 3)) },
			"was changed by another program", "", nil, true},
		{"file written in place", func(t *testing.T, _, file string) {
			now := time.Now().Add(time.Second) // clocks of files are coarse
			text, err := os.ReadFile(file)
			text[len(text)-1] ^= 1
			must(t, err, os.WriteFile(file, text, 0o600), os.Chtimes(file, now, now))
		}, "was changed by another program", "", nil, true},
		{"file cut, with its old time", func(t *testing.T, _, file string) {
			info, err := os.Stat(file)
			must(t, err, os.Truncate(file, 3), os.Chtimes(file, info.ModTime(), info.ModTime()))
		}, "was changed by another program", "", nil, true},
		{"file of others too", func(t *testing.T, _, file string) { must(t, os.Chmod(file, 0o644)) },
			"mode is 0644, want 0600", "", nil, true},
		{"a folder in its place", func(t *testing.T, _, file string) {
			must(t, os.Remove(file), os.MkdirAll(filepath.Join(file, "x"), 0o700))
		}, "not a regular file", "", nil, true},
		{"two folders in its place", func(t *testing.T, _, file string) {
			must(t, os.Remove(file), os.MkdirAll(filepath.Join(file, "x"), 0o700),
				os.MkdirAll(filepath.Join(file+aside, "x"), 0o700))
		}, "not a regular file", "a folder is in the way, remove it",
			func(t *testing.T, _, file string) { must(t, os.RemoveAll(file)) }, true},
		{"a link in its place", func(t *testing.T, dir, file string) {
			must(t, os.Remove(file), os.Symlink("/etc/passwd", file))
		}, "not a regular file", "", nil, true},
		{"a folder in place of the temporary file", func(t *testing.T, _, file string) {
			must(t, os.MkdirAll(filepath.Join(file+temporary, "x"), 0o700))
		}, "", "", nil, false},
		{"a pipe in place of the temporary file", func(t *testing.T, _, file string) {
			must(t, syscall.Mkfifo(file+temporary, 0o600))
		}, "", "", nil, false},
		{"directory removed", func(t *testing.T, dir, _ string) { must(t, os.RemoveAll(dir)) },
			"was removed while the gateway ran", "", nil, true},
		{"directory renamed, another made", func(t *testing.T, dir, _ string) {
			must(t, os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700))
		}, "was removed while the gateway ran", "", nil, true},
		{"directory renamed, a file made", func(t *testing.T, dir, _ string) {
			must(t, os.Rename(dir, dir+".old"), os.WriteFile(dir, nil, 0o600))
		}, "not a directory", "not a directory", func(t *testing.T, dir, _ string) { must(t, os.Remove(dir)) }, true},
		{"directory of others too", func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o777)) },
			"mode is 0777, want 0700", "mode is 0777, want 0700",
			func(t *testing.T, dir, _ string) { must(t, os.Chmod(dir, 0o700)) }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			dir, file := d.path, filepath.Join(d.path, "f")
			must(t, d.Intact("f"), d.Write("f", "first"), d.Intact("f"))
			row.spoil(t, dir, file)
			says := func(what string, err error, want string) {
				t.Helper()
				if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
					t.Errorf("%s: %v, want %q", what, err, want)
				}
			}
			says("Intact", d.Intact("f"), row.intact)
			says("Write", d.Write("f", "second"), row.write)
			if row.mend != nil {
				row.mend(t, dir, file)
				if err := d.Intact("f"); (err != nil) != row.stillSpoilt {
					t.Errorf("Intact after it was mended: %v", err)
				}
				must(t, d.Write("f", "second"))
			}
			var got string
			must(t, d.Intact("f"))
			if err := d.Read("f", &got); err != nil || got != "second" {
				t.Errorf("read %q, %v", got, err)
			}
			if path, err := filepath.EvalSymlinks(file); err != nil || path != file {
				t.Errorf("written to %s, %v", path, err)
			}
		})
	}
}

// A directory that another process had is taken when that gives it up.
func TestDirectoryThatBecomesFree(t *testing.T) {
	first := open(t)
	second := At(first.path)
	defer second.Close()
	if err := second.Write("f", "x"); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("write beside another: %v", err)
	}
	first.Close()
	if err := second.Write("f", "x"); err != nil {
		t.Error(err)
	}
	second.Close()
	if err := second.Write("f", "x"); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}

func TestWriteAndRead(t *testing.T) {
	d := open(t)
	type content struct {
		Text   string
		Number int
	}
	var got content
	if err := d.Read("f", &got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want that there is none", err)
	}
	for _, want := range []content{{"<routes> & \u2028", 1}, {strings.Repeat("long ", 1000), 2}, {"", 3}} {
		for _, write := range []func(string, any) error{d.Write, d.Note} {
			if err := write("f", want); err != nil {
				t.Fatal(err)
			}
			if err := d.Read("f", &got); err != nil || got != want {
				t.Errorf("read %.40v, %v; want %.40v", got, err, want)
			}
		}
	}
	if info, err := os.Stat(filepath.Join(d.path, "f")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file: %v %v, want mode 0600", info.Mode(), err)
	}
	if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v %v, want mode 0700", info.Mode(), err)
	}
	if err := d.SetAside("f"); err != nil {
		t.Fatal(err)
	}
	if err := d.Read("f", &got); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after SetAside: %v, want that there is none", err)
	}
	if err := d.Remove("f"); err != nil {
		t.Errorf("Remove of nothing: %v", err)
	}
}

func TestRefusedDirectories(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	made := func(name string, mode os.FileMode) string {
		path := filepath.Join(base, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := made("foreign", 0o700)
	pipe := filepath.Join(base, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	chowned := os.Chown(foreign, 12345, -1) == nil
	used := made("used", 0o700)
	openAt(t, used)
	for _, row := range []struct {
		name, path, want string
		skip             bool
	}{
		{"no parent", filepath.Join(base, "none", "state"), "no such file or directory", false},
		{"file", file, "not a directory", false},
		{"pipe", pipe, "not a directory", false},
		{"others read", made("read", 0o750), "mode is 0750, want 0700", false},
		{"others write", made("write", 0o702), "mode is 0702, want 0700", false},
		{"foreign", foreign, "belongs to user 12345", !chowned},
		{"in use", used, "in use by another process", false},
	} {
		if row.skip {
			continue // only root may give files away
		}
		d, err := Open(row.path)
		if err == nil {
			d.Close()
			t.Errorf("%s: opened", row.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), row.path+": ") || !strings.Contains(err.Error(), row.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one sentence with the path and %q", row.name, err, row.want)
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	d := open(t)
	whole, err := seal("fine")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.path, "f")
	put := func(text []byte) error { return os.WriteFile(path, text, 0o600) }
	for _, row := range []struct {
		name, want string
		make       func() error
	}{
		{"empty", "broken: not JSON", func() error { return put(nil) }},
		{"cut", "broken: not JSON", func() error { return put(whole[:len(whole)-4]) }},
		{"one byte", "broken: its checksum", func() error {
			return put(bytes.Replace(whole, []byte("fine"), []byte("fime"), 1))
		}},
		{"of a newer version", "of form 2, want 1: another version", func() error {
			return put(bytes.Replace(whole, []byte(`"v":1`), []byte(`"v":2`), 1))
		}},
		{"of other content", "broken: json: cannot unmarshal", func() error {
			number, err := seal(7)
			return errors.Join(err, put(number))
		}},
		{"others may read", "mode is 0644, want 0600", func() error {
			return errors.Join(put(whole), os.Chmod(path, 0o644))
		}},
		{"link", "path escapes from parent", func() error { return os.Symlink("/etc/hostname", path) }},
		{"pipe", "not a regular file", func() error { return syscall.Mkfifo(path, 0o600) }},
		{"folder", "not a regular file", func() error { return os.Mkdir(path, 0o700) }},
		{"huge", "larger than 64 MiB", func() error {
			return errors.Join(put(nil), os.Truncate(path, 1<<40))
		}},
		{"foreign", "belongs to user 12345", func() error {
			return errors.Join(put(whole), os.Chown(path, 12345, -1))
		}},
	} {
		if err := d.Remove("f"); err != nil {
			t.Fatal(err)
		}
		if err := row.make(); errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
			continue // only root may give files away
		} else if err != nil {
			t.Fatal(err)
		}
		got := ""
		err := d.Read("f", &got)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") ||
			!strings.Contains(err.Error(), row.want) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, %v; want one sentence with the path and %q", row.name, got, err, row.want)
		}
		if err := d.SetAside("f"); err != nil {
			t.Errorf("%s: set aside: %v", row.name, err)
		}
		if err := os.RemoveAll(path + ".bad"); err != nil {
			t.Fatal(err)
		}
	}
}

// Bytes come back as they were written, and nothing else does.
func TestBytes(t *testing.T) {
	d := open(t)
	for _, want := range [][]byte{[]byte("a\nb\x00"), nil, bytes.Repeat([]byte("long\n"), 1000)} {
		if err := d.NoteBytes("f", want); err != nil {
			t.Fatal(err)
		}
		if got, err := d.ReadBytes("f"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %.40q, %v; want %.40q", got, err, want)
		}
	}
	whole, err := sealBytes([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if got, err := unsealBytes(whole[:n]); err == nil {
			t.Errorf("of the first %d bytes of a file %q is read", n, got)
		}
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if got, err := unsealBytes(changed); err == nil && string(got) != "content" {
			t.Errorf("with another byte %d %q is read", i, got)
		}
	}
	if _, err := unsealBytes(bytes.Replace(whole, []byte(`"v":1`), []byte(`"v":2`), 1)); err == nil ||
		!strings.Contains(err.Error(), "of form 2, want 1") {
		t.Errorf("of a newer version: %v", err)
	}
	if _, err := d.ReadBytes("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v, want that there is none", err)
	}
}

// The largest file that is written is read again.
func TestLargestFile(t *testing.T) {
	d := open(t)
	head, err := sealBytes(nil)
	if err != nil {
		t.Fatal(err)
	}
	most := make([]byte, maxBytes-len(head))
	if err := d.NoteBytes("f", most); err != nil {
		t.Fatal(err)
	}
	if got, err := d.ReadBytes("f"); err != nil || len(got) != len(most) {
		t.Errorf("read %d bytes, %v; want %d", len(got), err, len(most))
	}
	if err := d.NoteBytes("f", append(most, 0)); err == nil {
		t.Error("a byte more is written")
	}
}

// FuzzUnseal: nothing that a file may hold is taken for content unless it was sealed.
func FuzzUnseal(f *testing.F) {
	whole, err := seal("content")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"v":1,"sha256":"","content":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got string
		if unseal(text, &got) != nil {
			return
		}
		again, err := seal(got)
		if err != nil {
			t.Fatal(err)
		}
		var same string
		if err := unseal(again, &same); err != nil || same != got {
			t.Errorf("%q sealed again is %q, %v", got, same, err)
		}
	})
}
