package namedfile

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func socket(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return path
}

func TestReadWaitsForNobody(t *testing.T) {
	for _, row := range []struct{ path, what string }{
		{pipe(t), "a pipe"}, {t.TempDir(), "a folder"}, {"/dev/zero", "a device"}, {socket(t), "a socket"},
	} {
		_, err := Read(row.path, 10)
		want := row.path + ": not a regular file (" + row.what + ")"
		if !errors.Is(err, ErrNotRegular) || err.Error() != want {
			t.Errorf("Read = %v, want %s", err, want)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read of nothing = %v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := Read(path, 1024); err != nil || len(data) != 1024 {
		t.Errorf("Read at its bound = %d bytes, %v", len(data), err)
	}
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(path, 1024); err == nil || err.Error() != path+": larger than 1 KiB (4096 bytes)" {
		t.Errorf("Read over its bound = %v", err)
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Skipf("no sparse files: %v", err)
	}
	if n := testing.AllocsPerRun(1, func() { _, _ = Read(path, 64<<20) }); n > 20 {
		t.Errorf("a file far over its bound is read before it is refused: %v allocations", n)
	}
}

func TestAppendWaitsForNobody(t *testing.T) {
	path := pipe(t)
	if _, err := Append(path); err == nil || !strings.Contains(err.Error(), "nobody reads") {
		t.Errorf("Append to a pipe without a reader = %v", err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f, err := Append(path)
	if err != nil {
		t.Fatalf("Append to a pipe with a reader = %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if f, err = Append("/dev/null"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
