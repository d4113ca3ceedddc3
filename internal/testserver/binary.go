package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Binary returns the path of a program that tests start: the one in tools/bin,
// else the one on PATH. It ends the test when there is neither.
func Binary(t testing.TB, name string) string {
	t.Helper()
	if path := filepath.Join(moduleRoot(t), "tools", "bin", name); executable(path) {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s: neither in tools/bin nor on PATH; run \"make tools\"", name)
	}
	return path
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// moduleRoot walks up from the folder of the running test (go test runs each
// package's tests there) to the one with go.mod.
func moduleRoot(t testing.TB) string {
	t.Helper()
	start, err := os.Getwd()
	if err != nil {
		t.Fatalf("working directory: %v", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("%s: no go.mod here or above", start)
		}
	}
}
