package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// largeDocument has so many routes, all of one status.
func largeDocument(routes, status int) discovery.Document {
	var text strings.Builder
	text.WriteString("routes:\n")
	for i := range routes {
		fmt.Fprintf(&text, "  - {name: route-%d, match: {path: /path/number/%d}, respond: {status: %d}}\n",
			i, i, status)
	}
	return discovery.NewDocument("consul", "key", []config.Part{{Data: []byte(text.String())}})
}

// openedState is the state of a directory for a test.
func openedState(t *testing.T, dir string) *state {
	t.Helper()
	s := openState(&Bootstrap{StateDir: dir, Service: "app", Source: SourceConsul, ConsulKey: "key"},
		hclog.NewNullLogger())
	if !s.enabled() {
		t.Fatal(s.Status().Error)
	}
	return s
}

// writeAll writes documents one after the other, as the goroutine of the state does, which then ends.
func (s *state) writeAll(all ...discovery.Document) {
	over := make(chan struct{})
	go func() { defer close(over); s.run() }()
	for _, d := range all {
		s.writes <- &lastGood{Origin: s.origin, Document: keepDocument(d, "kept", time.Now())}
	}
	close(s.writes)
	<-over
}

// The trees that are kept are those of the document that is kept. Whatever else the file holds, the text serves.
func TestTreesOfTheState(t *testing.T) {
	before, kept, small := largeDocument(1800, 200), largeDocument(1800, 204), largeDocument(3, 200)
	of := func(d discovery.Document) []byte { return config.KeepTrees(d.Parts) }
	written := func(t *testing.T, dir string, content []byte) {
		t.Helper()
		s := openedState(t, dir)
		defer s.dir.Close()
		if err := s.dir.NoteBytes(treesFile, content); err != nil {
			t.Fatal(err)
		}
	}
	cut := func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Truncate(filepath.Join(dir, treesFile), 1000); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct {
		name   string
		change func(t *testing.T, dir string) // after the document was kept
		trees  bool                           // whether some are read
		aside  bool
	}{
		{"its own", func(*testing.T, string) {}, true, false},
		{"of the document before", func(t *testing.T, dir string) { written(t, dir, of(before)) }, true, false},
		{"of another version", func(t *testing.T, dir string) { written(t, dir, append([]byte("x"), of(kept)...)) },
			false, false},
		{"cut", cut, false, true},
		{"gone", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, treesFile)); err != nil {
				t.Fatal(err)
			}
		}, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			openedState(t, dir).writeAll(before, kept)
			row.change(t, dir)
			s := openedState(t, dir)
			trees := s.readTrees()
			if (trees != nil) != row.trees {
				t.Errorf("trees are read: %v, want %v", trees != nil, row.trees)
			}
			doc, err := s.found.Document.decode(s.found.Document.document().Parts, config.Standard(), trees)
			if err != nil || len(doc.Routes) != 1800 || doc.Routes[0].Respond.Status != 204 {
				t.Fatalf("%v, want the document that is kept", err)
			}
			if _, err := os.Stat(filepath.Join(dir, treesFile+".bad")); (err == nil) != row.aside {
				t.Errorf("set aside: %v", err)
			}
			s.writeAll(kept) // which mends them
			s = openedState(t, dir)
			defer s.dir.Close()
			if got, err := s.dir.ReadBytes(treesFile); err != nil || !config.AreTrees(got, kept.Parts) {
				t.Errorf("after a write: %v, want the trees of the document", err)
			}
		})
	}
	dir := filepath.Join(t.TempDir(), "state")
	openedState(t, dir).writeAll(kept, small)
	if _, err := os.Stat(filepath.Join(dir, treesFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want no trees of a document that needs none", err)
	}
}

// Trees that are there already are not made again.
func TestTreesAreKeptOnce(t *testing.T) {
	d := largeDocument(1800, 200)
	dir := filepath.Join(t.TempDir(), "state")
	openedState(t, dir).writeAll(d)
	path := filepath.Join(dir, treesFile)
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	openedState(t, dir).writeAll(d, d)
	if after, err := os.Stat(path); err != nil || !os.SameFile(before, after) {
		t.Errorf("%v, another file: want the one that was there", err)
	}
}
