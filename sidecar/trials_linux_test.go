package sidecar

import (
	"path/filepath"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy"
)

// unreadable is memory that nobody may look at: who does panics, if it has set that.
func unreadable(t *testing.T) []byte {
	t.Helper()
	text, err := syscall.Mmap(-1, 0, syscall.Getpagesize(), syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(text) })
	return text
}

// The hash of a document is on the disk before the first of its bytes is looked at. It stays there when the process
// panics.
func TestTrialOfADocumentThatPanics(t *testing.T) {
	for _, row := range []struct {
		name, hash string
		do         func(a keeping)
	}{
		{"while it is read", "kills", func(a keeping) {
			_ = a.take(t.Context(), discovery.Document{
				Source: "file", Hash: "kills", Parts: []config.Part{{Data: unreadable(t)}},
			})
		}},
		{"while it is applied", shop(2, ""), func(a keeping) {
			defer func(p *proxy.Server) { a.proxy = p }(a.proxy)
			a.proxy = nil
			a.gets(shop(2, ""))
		}},
		{"while the kept one is applied", "kept", func(a keeping) {
			defer func(p *proxy.Server) { a.proxy = p }(a.proxy)
			a.proxy = nil
			a.state.found = &lastGood{Document: &keptDocument{Hash: "kept", Parts: []keptPart{{Text: shop(2, "")}}}}
			a.restore(t.Context())
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := keepIn(t, filepath.Join(t.TempDir(), "state"), 15*time.Second)
			defer a.crashes()
			a.gets(shop(1, ""))
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				row.do(a)
			}()
			var found trial
			if err := a.state.dir.Read(tryingFile, &found); err != nil || found.Hash != row.hash {
				t.Errorf("noted %+v, %v, want the document that ended the process", found, err)
			}
		})
	}
}
