package consul

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// What the variables of TLS name is opened without waiting, is bounded, and errors name the file.
func TestTLSFilesWaitForNobody(t *testing.T) {
	pipe := func(t *testing.T, path string) {
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	folder := func(inside func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if inside != nil {
				inside(t, filepath.Join(path, "inside"))
			}
		}
	}
	device := func(t *testing.T, path string) {
		if err := os.Symlink("/dev/zero", path); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name, variable, want string
		make                 func(*testing.T, string)
		notYet               bool // it may come
	}{
		{"pipe", api.HTTPCAFile, "file: not a regular file (a pipe)", pipe, false},
		{"no certificate", api.HTTPCAFile, "file: holds no certificate", write("x"), false},
		{"empty", api.HTTPClientCert, "file: empty", write(""), false},
		{"a pipe for a folder", api.HTTPCAPath, "file: not a regular file (a pipe)", pipe, false},
		{"a device for a folder", api.HTTPCAPath, "file: not a regular file (a device)", device, false},
		{"pipe in a folder", api.HTTPCAPath, "file/inside: not a regular file (a pipe)", folder(pipe), false},
		{"device in a folder", api.HTTPCAPath, "file/inside: not a regular file (a device)", folder(device), false},
		{"no certificate in a folder", api.HTTPCAPath, "file/inside: holds no certificate", folder(write("x")), false},
		{"an empty folder", api.HTTPCAPath, "file: no certificate in it yet", folder(nil), true},
		{"no folder", api.HTTPCAPath, "file: no such file or directory", func(*testing.T, string) {}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			clearEnvironment(t)
			path := filepath.Join(t.TempDir(), "file")
			row.make(t, path)
			t.Setenv(row.variable, path)
			done := make(chan error, 1)
			go func() {
				_, err := newLink(Options{})
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || !strings.Contains(err.Error(), row.want) ||
					!strings.HasPrefix(err.Error(), "env "+row.variable) {
					t.Errorf("got %v, want %s: %s", err, row.variable, row.want)
				}
				if notYet := errors.Is(err, fs.ErrNotExist); notYet != row.notYet {
					t.Errorf("%v: is fs.ErrNotExist %t", err, notYet)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it waits")
			}
		})
	}
}

// A folder of certificates may be a volume of Kubernetes: its files are links, and a link to a folder is beside them.
// Its files are watched as others are.
func TestFolderOfCertificates(t *testing.T) {
	clearEnvironment(t)
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "..2026"), 0o700); err != nil {
		t.Fatal(err)
	}
	put := func() {
		if err := os.WriteFile(filepath.Join(folder, "..2026", "ca.pem"), otherAuthority(t), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put()
	for link, to := range map[string]string{"..data": "..2026", "ca.pem": "..data/ca.pem"} {
		if err := os.Symlink(to, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(api.HTTPCAPath, folder)
	l, err := newLink(Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.files) == 0 {
		t.Error("nothing is watched")
	}
	put()
	if next, err := newLink(Options{}); err != nil || next.content == l.content {
		t.Errorf("a new certificate is not seen (%v)", err)
	}
}
