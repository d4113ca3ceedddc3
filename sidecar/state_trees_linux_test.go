package sidecar

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// On a disk that has no room for the trees too, they give way: the text is what matters.
func TestTreesGiveWayOnAFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	first, second := largeDocument(1800, 200), largeDocument(3600, 204)
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=520k,mode=0700"); err != nil {
		t.Skipf("needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	openedState(t, dir).writeAll(first)
	s := openedState(t, dir)
	if s.readTrees() == nil {
		t.Fatal("the trees of the first document are not kept")
	}
	s.writeAll(second)
	if told := s.Status().Error; told != "" {
		t.Errorf("not kept: %s", told)
	}
	s = openedState(t, dir)
	defer s.dir.Close()
	doc, err := s.found.Document.decode(s.found.Document.document().Parts, config.Standard(), s.readTrees())
	if err != nil || len(doc.Routes) != 3600 {
		t.Errorf("%v, want the second document", err)
	}
}
