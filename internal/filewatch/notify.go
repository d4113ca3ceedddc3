package filewatch

import (
	"errors"
	"io/fs"
	"maps"
	"path/filepath"

	"github.com/fsnotify/fsnotify"
)

// notifier hears of changes of directory entries and files. One goroutine at a time uses it, but for the channels. A
// nil notifier hears nothing: the system gives us none.
type notifier struct {
	events   *fsnotify.Watcher
	relevant map[string]bool // entries that matter, their directories, and files
}

func newNotifier() (*notifier, error) {
	events, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	return &notifier{events: events, relevant: map[string]bool{}}, nil
}

// follow watches what the paths lead through now, and nothing else. The error says what kept something from being
// watched.
func (n *notifier) follow(paths []string) error {
	if n == nil {
		return nil
	}
	var err error
	// A link may be turned between the walk and the watch: walk again, but not for ever. The poll sees the rest.
	for range 4 {
		folders, files, relevant := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for _, path := range paths {
			entries := chain(path)
			for _, e := range entries {
				relevant[e] = true
				folders[filepath.Dir(e)] = true
			}
			if len(entries) > 0 {
				files[entries[len(entries)-1]] = true
			}
		}
		maps.Copy(relevant, folders)
		err = n.watch(folders, files)
		if maps.Equal(relevant, n.relevant) {
			break
		}
		n.relevant = relevant
	}
	return err
}

// watch makes the watches those of these directories and files, which may be missing.
func (n *notifier) watch(folders, files map[string]bool) error {
	for _, path := range n.events.WatchList() {
		if !folders[path] && !files[path] {
			_ = n.events.Remove(path) // it may be gone already, which is as good
		}
	}
	// Also what is watched already is added: something else may have its name now.
	var problem error
	for path := range folders {
		if err := n.events.Add(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			problem = err
		}
	}
	for path := range files {
		_ = n.events.Add(path) // without it the directory's watch tells most, and the poll the rest
	}
	return problem
}

// concerns tells whether an event may have changed what a path leads to.
func (n *notifier) concerns(e fsnotify.Event) bool { return n.relevant[filepath.Clean(e.Name)] }

// channels returns what to listen to; both are silent without a notifier.
func (n *notifier) channels() (events <-chan fsnotify.Event, faults <-chan error) {
	if n == nil {
		return nil, nil
	}
	return n.events.Events, n.events.Errors
}

// close ends the watches and waits for their goroutine.
func (n *notifier) close() {
	if n != nil {
		_ = n.events.Close() // it has no error to give
	}
}
