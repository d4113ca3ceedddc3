package discovery

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollEvery is how often a file is read whose folder cannot be watched:
	// it is not there, or the user has no inotify watches left.
	pollEvery = time.Second

	// statEvery is how often its state is read statEvery: some file systems (network,
	// overlay) tell nobody of their changes.
	statEvery = 10 * time.Second
)

// WatchFile calls changed whenever the file at path may have changed, come or
// gone, at least once, until ctx ends. It watches folders, not the file: a file
// that is replaced takes its watch with it, and a Kubernetes ConfigMap changes by
// a symlink in the same folder.
func WatchFile(ctx context.Context, path string, changed func()) {
	w := &fileWatch{path: filepath.Clean(path), changed: changed}
	for ctx.Err() == nil {
		if !w.followFolders(ctx) {
			w.look(true)
			select {
			case <-time.After(pollEvery):
			case <-ctx.Done():
			}
		}
	}
}

type fileWatch struct {
	path    string
	seen    stamp
	changed func()
}

// look calls changed if the file is another one than at the last look, or if it
// was named by an event.
func (w *fileWatch) look(named bool) {
	if now := stampOf(w.path); named || !now.same(w.seen) {
		w.seen = now
		w.changed()
	}
}

// followFolders returns when ctx ends or when the folders to watch may be others
// than before. It reports whether it could watch them.
func (w *fileWatch) followFolders(ctx context.Context) bool {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return false
	}
	defer func() { _ = events.Close() }() // it has no error to give
	home, target := filepath.Dir(w.path), targetFolder(w.path)
	if events.Add(home) != nil || target != home && events.Add(target) != nil {
		return false
	}
	tick := time.NewTicker(statEvery)
	defer tick.Stop()
	w.look(true) // it may have changed, and even back, before the watch was there
	for targetFolder(w.path) == target {
		select {
		case ev, open := <-events.Events:
			if !open || ev.Name == home || ev.Name == target {
				return true
			}
			w.look(ev.Name == w.path)
		case _, open := <-events.Errors: // events were lost
			if !open {
				return true
			}
			w.look(true)
		case <-tick.C:
			w.look(false)
		case <-ctx.Done():
			return true
		}
	}
	return true
}

// targetFolder is where the file really is, if path is a symlink.
func targetFolder(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return filepath.Dir(path)
	}
	return filepath.Dir(real)
}

// stamp tells one state of a file from another without reading it.
type stamp struct{ info os.FileInfo } // nil = not there

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{info}
}

func (s stamp) same(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == other.info
	}
	return os.SameFile(s.info, other.info) && s.info.Size() == other.info.Size() &&
		s.info.ModTime().Equal(other.info.ModTime()) && s.info.Mode() == other.info.Mode()
}
