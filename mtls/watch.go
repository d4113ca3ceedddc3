package mtls

import (
	"maps"
	"path/filepath"
	"sync/atomic"

	"github.com/fsnotify/fsnotify"
)

// watcher hears of changes to directory entries. Directories are watched, not
// files: a watch on a file follows the old file when a new one takes its name.
type watcher struct {
	notify  *fsnotify.Watcher
	entries atomic.Pointer[map[string]bool] // entries that matter, and their directories
}

func newWatcher() (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	w := &watcher{notify: notify}
	w.entries.Store(&map[string]bool{})
	return w, nil
}

// follow watches the directories of these entries and no others. It tells
// whether a watch is new, so that what changed before it must be looked for, and
// what kept a directory from being watched.
func (w *watcher) follow(entries []string) (added bool, err error) {
	relevant, directories := map[string]bool{}, map[string]bool{}
	for _, e := range entries {
		directories[filepath.Dir(e)] = true
		relevant[e] = true
	}
	maps.Copy(relevant, directories)
	w.entries.Store(&relevant)
	watched := map[string]bool{}
	// The watcher drops directories that are deleted or renamed: it is asked.
	for _, dir := range w.notify.WatchList() {
		watched[dir] = true
		if !directories[dir] {
			_ = w.notify.Remove(dir) // it may be gone already, which is as good
		}
	}
	for dir := range directories {
		if watched[dir] {
			continue
		}
		if e := w.notify.Add(dir); e != nil {
			err = e
			continue
		}
		added = true
	}
	return added, err
}

// matters tells whether an event may have changed what a path leads to.
func (w *watcher) matters(e fsnotify.Event) bool {
	return (*w.entries.Load())[filepath.Clean(e.Name)]
}

// close ends the watcher and its goroutine.
func (w *watcher) close() { _ = w.notify.Close() }
