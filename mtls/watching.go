package mtls

import (
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// quiet is how long nothing must happen before files are read, so that a
	// certificate and its key, written one after the other, are read as one.
	quiet = 50 * time.Millisecond
	// patience is the longest wait for quiet.
	patience = 500 * time.Millisecond
	// pollBlind is how often files are read when a directory cannot be watched.
	pollBlind = 500 * time.Millisecond
	// pollSafe is how often they are read all the same: network file systems
	// and some container mounts tell nothing.
	pollSafe = 30 * time.Second
)

// watching is the goroutine that reads files again when they may have changed.
// settle starts it, end ends it and waits.
type watching struct {
	set     *Set
	watcher *watcher // nil: the system gives us none, so we poll
	blind   bool     // a directory is not watched; guarded by set.mu
	sooner  chan struct{}
	stop    chan struct{}
	done    chan struct{}
}

// settle makes the watches and the status fit the sources. The caller holds mu.
func (s *Set) settle() {
	if s.watching == nil && len(s.sources) > 0 && !s.unwatched && !s.closed {
		s.watch()
	}
	if s.watching != nil {
		s.watching.follow()
	}
	s.status.Store(s.describe())
}

// watch starts watching. The caller holds mu.
func (s *Set) watch() {
	w := &watching{set: s, sooner: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	var err error
	if w.watcher, err = newWatcher(); err != nil {
		w.blind = true
		s.log.Warn("certificate files cannot be watched; they are read twice a second", "reason", err)
	}
	s.watching = w
	go w.run()
}

// follow watches the directories that the sources lead through now. The caller
// holds set.mu.
func (w *watching) follow() {
	if w.watcher == nil {
		return
	}
	// A new watch hears nothing of what happened before it, so files are read
	// once more, which may lead to other directories, but not for ever.
	for range 4 {
		added, err := w.watcher.follow(w.set.entries())
		if err != nil && !w.blind {
			w.set.log.Warn("a directory of certificate files cannot be watched; they are read twice a second", "reason", err)
		}
		w.blind = err != nil
		if !added {
			break
		}
		w.set.refresh()
	}
	if w.blind {
		select {
		case w.sooner <- struct{}{}:
		default: // it has been told
		}
	}
}

func (w *watching) end() {
	close(w.stop)
	<-w.done
}

func (w *watching) run() {
	defer close(w.done)
	var events chan fsnotify.Event // nil, and so silent, without a watcher
	var faults chan error
	if w.watcher != nil {
		defer w.watcher.close()
		events, faults = w.watcher.notify.Events, w.watcher.notify.Errors
	}
	next := time.NewTimer(w.period())
	defer next.Stop()
	var latest time.Time // when to read at the latest; zero: nothing happened
	for {
		happened := false
		select {
		case <-w.stop:
			return
		case e := <-events: // never closed but by us
			happened = w.watcher.matters(e)
		case lost := <-faults:
			happened = lost != nil // whatever it is, events are missing
		case <-w.sooner:
			if latest.IsZero() {
				next.Reset(pollBlind)
			}
		case <-next.C:
			w.set.Reload()
			latest = time.Time{}
			next.Reset(w.period())
		}
		if !happened {
			continue
		}
		if latest.IsZero() {
			latest = time.Now().Add(patience)
		}
		next.Reset(min(quiet, time.Until(latest)))
	}
}

// period is how long to wait when nothing happens.
func (w *watching) period() time.Duration {
	w.set.mu.Lock()
	defer w.set.mu.Unlock()
	if w.blind {
		return pollBlind
	}
	return pollSafe
}
