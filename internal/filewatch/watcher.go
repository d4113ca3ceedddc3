package filewatch

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
)

const (
	// Quiet is how long nothing may have happened before a change is told. So a certificate and its key, written one
	// after the other, are read as one.
	Quiet = 50 * time.Millisecond
	// Most is the longest wait for Quiet: what never rests is told too.
	Most = 500 * time.Millisecond
	// PollInterval is how often the status of the files is compared.
	PollInterval = time.Second
)

// Watcher calls a function when files may have changed. A nil one watches nothing.
type Watcher struct {
	changed func()
	log     hclog.Logger
	open    func() (*notifier, error)
	kick    chan struct{} // one token: paths are new
	stop    chan struct{}
	done    chan struct{}

	mu sync.Mutex
	// +checklocks:mu
	phase phase
	// +checklocks:mu
	notify *notifier // nil: the system gives none
	// +checklocks:mu
	paths []string // sorted
	// +checklocks:mu
	seen []status // of paths
	// +checklocks:mu
	complaint string // the last that was logged
}

// phase is how far a Watcher has come.
type phase uint8

const (
	idle    phase = iota // there has been no path to watch
	running              // its goroutine runs
	closed
)

// New makes a watcher of no path. The first path starts its goroutine, which calls changed; Close ends it. log may be
// nil.
func New(changed func(), log hclog.Logger) *Watcher { return newWatcher(changed, log, newNotifier) }

func newWatcher(changed func(), log hclog.Logger, open func() (*notifier, error)) *Watcher {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	return &Watcher{
		changed: changed,
		log:     log,
		open:    open,
		kick:    make(chan struct{}, 1),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
}

// Watch watches paths until ctx ends, and returns when changed will not be called any more. log may be nil.
func Watch(ctx context.Context, changed func(), log hclog.Logger, paths ...string) {
	w := New(changed, log)
	defer w.Close()
	w.Follow(paths)
	<-ctx.Done()
}

// Follow makes paths those that are watched. It reads their status before it returns. If there are new ones, changed is
// called once. After Close it does nothing.
func (w *Watcher) Follow(paths []string) {
	if w == nil {
		return
	}
	paths = slices.Compact(slices.Sorted(slices.Values(paths)))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phase == closed || slices.Equal(paths, w.paths) {
		return
	}
	if w.phase == idle {
		w.start()
	}
	before := w.paths
	fresh := slices.ContainsFunc(paths, func(p string) bool {
		_, known := slices.BinarySearch(before, p)
		return !known
	})
	w.paths = paths
	w.rewatch()
	if fresh {
		select {
		case w.kick <- struct{}{}:
		default: // it will be told anyway
		}
	}
}

// start begins to watch.
//
// +checklocks:w.mu
func (w *Watcher) start() {
	notify, err := w.open()
	w.complain(err)
	w.notify, w.phase = notify, running
	go w.run(notify)
}

// Close ends all watching. It returns when changed will not be called any more.
func (w *Watcher) Close() {
	if w == nil {
		return
	}
	w.mu.Lock()
	was := w.phase
	w.phase = closed
	w.mu.Unlock()
	if was == running {
		close(w.stop)
		<-w.done
	}
}

func (w *Watcher) run(notify *notifier) {
	defer close(w.done)
	defer notify.close()
	events, faults := notify.channels()
	poll := time.NewTicker(PollInterval)
	defer poll.Stop()
	rest := time.NewTimer(time.Hour)
	defer rest.Stop()
	rest.Stop()
	var latest time.Time // when to tell at the latest; zero: nothing has happened
	for {
		happened := false
		select {
		case <-w.stop:
			return
		case <-w.kick:
			happened = true
		case e, open := <-events:
			happened = open && w.concerns(e)
		case lost := <-faults:
			happened = lost != nil // whatever it is, events are missing
		case <-poll.C:
			happened = w.moved()
		case <-rest.C:
			latest = time.Time{}
			w.mu.Lock()
			w.rewatch()
			w.mu.Unlock()
			w.changed()
		}
		if !happened {
			continue
		}
		if latest.IsZero() {
			latest = time.Now().Add(Most)
		}
		rest.Reset(min(Quiet, time.Until(latest)))
	}
}

// rewatch makes the watches and the known status those of what the paths lead to now. What changes afterwards is told.
//
// +checklocks:w.mu
func (w *Watcher) rewatch() {
	w.complain(w.notify.follow(w.paths))
	w.seen = w.seen[:0]
	for _, path := range w.paths {
		w.seen = append(w.seen, statusOf(path))
	}
}

// moved tells whether the status of a file is another than when it was told last.
func (w *Watcher) moved() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, path := range w.paths {
		if !statusOf(path).same(w.seen[i]) {
			return true
		}
	}
	return false
}

func (w *Watcher) concerns(e fsnotify.Event) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.notify.concerns(e)
}

// complain logs once what keeps files from being watched.
//
// +checklocks:w.mu
func (w *Watcher) complain(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != w.complaint {
		w.log.Warn("some files cannot be watched; they are polled each second", "reason", text)
	}
	w.complaint = text
}

// status tells one state of a file from another without reading it.
type status struct{ info os.FileInfo } // nil: not there

func statusOf(path string) status {
	info, err := os.Stat(path)
	if err != nil {
		return status{}
	}
	return status{info}
}

func (s status) same(other status) bool {
	if s.info == nil || other.info == nil {
		return s.info == other.info
	}
	return os.SameFile(s.info, other.info) && s.info.Size() == other.info.Size() &&
		s.info.ModTime().Equal(other.info.ModTime()) && s.info.Mode() == other.info.Mode()
}
