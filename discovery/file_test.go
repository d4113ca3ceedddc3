package discovery

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace writes a file as careful editors do.
func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func newFile(t *testing.T, path string) Source {
	t.Helper()
	testserver.Goroutines(t)
	s, err := NewFile(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFileFollowsEveryWayToChange(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, "one")
	s := newFile(t, path)
	out := follow(t, s)
	first := want(t, out, "one")
	if first.Source != "file" || first.Index != 0 || len(first.Parts) != 1 || first.Parts[0].Name != "" {
		t.Errorf("document %+v, want one without name or index", first)
	}
	write(t, path, "two, in place")
	want(t, out, "two, in place")
	replace(t, path, "three, renamed over")
	want(t, out, "three, renamed over")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want(t, out, "(negative)")
	write(t, path, "four, made anew")
	want(t, out, "four, made anew")
	write(t, path, "")
	want(t, out, "(refused) "+path+": empty")
	write(t, path, "five")
	want(t, out, "five")
	if st := s.Status(); st.Failing != 0 || st.LastOK.IsZero() || !strings.Contains(st.Name, path) {
		t.Errorf("status %+v, want that of a file that was read", st)
	}
}

func TestFileMissingAtFirst(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "yet")
	path := filepath.Join(dir, "gateway.yaml")
	s := newFile(t, path)
	out := follow(t, s)
	want(t, out, "(negative)")
	if st := s.Status(); st.Failing == 0 || st.Error != "no such file" {
		t.Errorf("status %+v, want that the file is missing", st)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "here")
	want(t, out, "here")
	if err := os.RemoveAll(dir); err != nil { // the folder that was watched
		t.Fatal(err)
	}
	want(t, out, "(negative)")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, path, "here again")
	want(t, out, "here again")
}

// A kubelet writes a ConfigMap into a folder of its own, and then renames the
// symlink ..data, through which all files are linked.
func TestFileFollowsConfigMap(t *testing.T) {
	dir := t.TempDir()
	swap := func(version, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, version, "gateway.yaml"), text)
		tmp := filepath.Join(dir, "..data_tmp")
		if err := os.Symlink(version, tmp); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	swap("..2026_01", "one")
	path := filepath.Join(dir, "gateway.yaml")
	if err := os.Symlink(filepath.Join("..data", "gateway.yaml"), path); err != nil {
		t.Fatal(err)
	}
	out := follow(t, newFile(t, path))
	want(t, out, "one")
	for i := 2; i < 5; i++ {
		swap(fmt.Sprintf("..2026_0%d", i), fmt.Sprint("version ", i))
		want(t, out, fmt.Sprint("version ", i))
		if err := os.RemoveAll(filepath.Join(dir, fmt.Sprintf("..2026_0%d", i-1))); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileFollowsSymlinkElsewhere(t *testing.T) {
	elsewhere, dir := t.TempDir(), t.TempDir()
	target, path := filepath.Join(elsewhere, "real.yaml"), filepath.Join(dir, "gateway.yaml")
	write(t, target, "one")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	out := follow(t, newFile(t, path))
	want(t, out, "one")
	write(t, target, "two")
	want(t, out, "two")
	replace(t, target, "three")
	want(t, out, "three")
}

// TestFileFollowsWhatItsFolderDoesNotHear changes the document where no entry of its own folder changes.
func TestFileFollowsWhatItsFolderDoesNotHear(t *testing.T) {
	for _, row := range []struct {
		name string
		path func(dir string) string
		make func(t *testing.T, dir, text string)
	}{
		{"a link above", func(dir string) string { return filepath.Join(dir, "current", "gateway.yaml") },
			func(t *testing.T, dir, text string) {
				version := filepath.Join(dir, "version-"+text)
				if err := os.Mkdir(version, 0o700); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(version, "gateway.yaml"), text)
				link := filepath.Join(dir, "current")
				if err := os.Symlink(version, link+".new"); err != nil {
					t.Fatal(err)
				}
				if err := os.Rename(link+".new", link); err != nil {
					t.Fatal(err)
				}
			}},
		{"one file, mounted", func(dir string) string { return filepath.Join(dir, "in", "gateway.yaml") },
			func(t *testing.T, dir, text string) {
				write(t, filepath.Join(dir, "outside.yaml"), text)
				if err := os.MkdirAll(filepath.Join(dir, "in"), 0o700); err != nil {
					t.Fatal(err)
				}
				// A second name of the file: the mount is that too, for those who watch.
				err := os.Link(filepath.Join(dir, "outside.yaml"), filepath.Join(dir, "in", "gateway.yaml"))
				if err != nil && !errors.Is(err, fs.ErrExist) {
					t.Fatal(err)
				}
			}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			row.make(t, dir, "one")
			out := follow(t, newFile(t, row.path(dir)))
			want(t, out, "one")
			row.make(t, dir, "two")
			want(t, out, "two") // from here on it is watched for certain
			began := time.Now()
			row.make(t, dir, "three")
			want(t, out, "three")
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("seen after %v, want a second or less", took)
			}
		})
	}
}

func TestFileIgnoresItsNeighboursAndDeliversOnceForOneContent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "gateway.yaml")
	write(t, path, "one")
	s := newFile(t, path)
	out := follow(t, s)
	want(t, out, "one")
	write(t, filepath.Join(dir, "access.log"), "a line")
	replace(t, path, "one") // the same content
	replace(t, path, "two")
	want(t, out, "two")
	s.Reload()
	want(t, out, "two") // though nothing changed
}

func TestFileRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		name string
		make func(path string) error
		want string
	}{
		{"folder", func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file (a folder)"},
		{"pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file (a pipe)"},
		{"empty", func(path string) error { return os.WriteFile(path, nil, 0o600) }, "empty"},
		{"large", func(path string) error { return os.WriteFile(path, make([]byte, config.MaxDocumentBytes+1), 0o600) },
			"larger than 8 MiB (8388609 bytes)"},
		{"loop", func(path string) error { return os.Symlink(path, path) }, "too many levels of symbolic links"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(dir, row.name)
			if err := row.make(path); err != nil {
				t.Fatal(err)
			}
			d := next(t, follow(t, newFile(t, path)))
			if d.Refused == nil || !strings.HasPrefix(d.Refused.Error(), path+": "+row.want) || d.Parts != nil {
				t.Errorf("refused %v, want %s: %s", d.Refused, path, row.want)
			}
		})
	}
	if _, err := NewFile("", nil); err == nil {
		t.Error("an empty path was taken")
	}
}
