package statedir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk that is full, or read-only, is an error that leaves what was there.
func TestFullAndReadOnlyDisk(t *testing.T) {
	base := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", base, "tmpfs", 0, "size=64k,mode=0700"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	d := openAt(t, base)
	t.Cleanup(func() {
		if err := syscall.Unmount(base, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := d.Write("f", "small"); err != nil {
		t.Fatal(err)
	}
	check := func(want string) {
		t.Helper()
		got, err := "", d.Write("f", strings.Repeat("large ", 1<<14))
		if err == nil || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("write: %v, want %q", err, want)
		}
		if err := d.Read("f", &got); err != nil || got != "small" {
			t.Errorf("read %q, %v; want what was there", got, err)
		}
	}
	check("no space left on device")
	if _, err := os.Stat(filepath.Join(base, "f"+temporary)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temporary file takes room on the full disk: %v", err)
	}
	if err := syscall.Mount("none", base, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	check("read-only file system")
}
