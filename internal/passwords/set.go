package passwords

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/filewatch"
	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

// Options are the settings of a Set; the zero value is good.
type Options struct {
	Logger    hclog.Logger // hears of new, broken and mended files; nil = nobody does
	Unwatched bool         // files are read once, and on Reload
}

// Set holds every file of users that the process uses, and watches them. There is one in a process. All methods are
// safe from any goroutine; those that read files take as long as the disk takes.
type Set struct {
	log       hclog.Logger
	unwatched bool
	checks    *checks
	status    atomic.Pointer[[]Status]

	mu sync.Mutex // guards also all files but their users
	// +checklocks:mu
	files map[string]*File
	// Nil until there is something to watch.
	// +checklocks:mu
	watcher *filewatch.Watcher
	// +checklocks:mu
	closed bool
}

// File is one file of users. Its path never changes; its users are those of its last good content.
type File struct {
	path   string
	checks *checks
	users  atomic.Pointer[users]

	// Of the Set, under its mu:
	uses   int      // revisions that hold it, by each of their routes
	seen   [32]byte // digest of the content that serves
	loaded time.Time
	err    error // why what is on disk does not serve; nil when it does
	broken time.Time
}

// Status is how one file stands.
type Status struct {
	Path  string `json:"path"`
	Users int    `json:"users"` // in what serves
	// Error is why what is on disk does not serve; empty when it does.
	Error string `json:"error,omitempty"`
	// Since is when the error began or, without one, when this content was loaded.
	Since time.Time `json:"since"`
}

// Prepared is what one revision uses of a Set.
type Prepared struct {
	set    *Set
	files  []*File // one for each use
	byPath map[string]*File
	// +checklocks:set.mu
	closed bool
}

// NewSet makes an empty Set. Close it at the end of the process.
func NewSet(o Options) *Set {
	s := &Set{log: o.Logger, unwatched: o.Unwatched, checks: newChecks(), files: map[string]*File{}}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	s.status.Store(&[]Status{})
	return s
}

// Prepare reads the files of a revision. Those that are known already are not read again, and stay as good as their
// last good content. The error names every setting and file that is wrong; then nothing is held. Otherwise the caller
// owes a Close.
func (s *Set) Prepare(doc *config.Document) (*Prepared, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errors.New("the set of password files is closed")
	}
	p := &Prepared{set: s, byPath: map[string]*File{}}
	var problems []error
	for i := range doc.Routes {
		path := doc.Routes[i].BasicAuth.File
		if path == "" {
			continue
		}
		f, err := s.file(path)
		if err != nil {
			problems = append(problems, fmt.Errorf("routes[%d].basic_auth.file: %w", i, err))
			continue
		}
		f.uses++
		p.files, p.byPath[path] = append(p.files, f), f
	}
	if len(problems) > 0 {
		s.release(p)
		return nil, errors.Join(problems...)
	}
	s.follow()
	return p, nil
}

// file finds or reads a file.
//
// +checklocks:s.mu
func (s *Set) file(path string) (*File, error) {
	if f := s.files[path]; f != nil {
		return f, nil
	}
	f := &File{path: path, checks: s.checks}
	if f.refresh(time.Now()); f.err != nil {
		return nil, f.err
	}
	s.files[path] = f
	return f, nil
}

// File is the file of that path; nil if the revision does not name it. p may be nil.
func (p *Prepared) File(path string) *File {
	if p == nil {
		return nil
	}
	return p.byPath[path]
}

// Close gives up what no other revision uses: it is no longer watched. Files that requests still use work on. A second
// call does nothing.
func (p *Prepared) Close() {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.set.release(p)
	p.set.follow()
}

// release gives back what a revision holds.
//
// +checklocks:s.mu
func (s *Set) release(p *Prepared) {
	for _, f := range p.files {
		if f.uses--; f.uses == 0 {
			delete(s.files, f.path)
		}
	}
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Users is how many users what serves has.
func (f *File) Users() int { return len(f.users.Load().all) }

// change is what a refresh found.
type change uint8

const (
	same change = iota
	replaced
	broke
	mended
)

// refresh reads the file. Either all of it serves, or nothing of it.
func (f *File) refresh(now time.Time) change {
	data, err := namedfile.Read(f.path, maxFileBytes)
	sum := sha256.Sum256(data)
	if err == nil && f.users.Load() != nil && sum == f.seen {
		was := f.err
		f.err = nil
		if was != nil {
			return mended
		}
		return same
	}
	var next *users
	if err == nil {
		if next, err = parse(data); err != nil {
			err = fmt.Errorf("%s: %w", f.path, err)
		}
	}
	switch {
	case err != nil && f.err != nil && f.err.Error() == err.Error():
		return same
	case err != nil:
		f.err, f.broken = err, now
		return broke
	}
	f.users.Store(next)
	f.seen, f.loaded, f.err = sum, now, nil
	return replaced
}

// Reload reads every file now, whether or not a change was noticed.
func (s *Set) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, f := range s.files {
		switch f.refresh(now) {
		case replaced:
			s.log.Info("password file reloaded", "path", f.path, "users", f.Users())
		case broke:
			s.log.Warn("password file is broken; the last good one stays in use", "path", f.path,
				"reason", f.err.Error())
		case mended:
			s.log.Info("password file is whole again", "path", f.path)
		}
	}
	s.follow()
}

// follow makes the watches and the status fit the files.
//
// +checklocks:s.mu
func (s *Set) follow() {
	if s.watcher == nil && len(s.files) > 0 && !s.unwatched && !s.closed {
		s.watcher = filewatch.New(s.Reload, s.log)
	}
	all, paths := make([]Status, 0, len(s.files)), make([]string, 0, len(s.files))
	for path, f := range s.files {
		st := Status{Path: path, Users: f.Users(), Since: f.loaded}
		if f.err != nil {
			st.Error, st.Since = f.err.Error(), f.broken
		}
		all, paths = append(all, st), append(paths, path)
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Path, b.Path) })
	s.status.Store(&all)
	if s.watcher != nil {
		s.watcher.Follow(paths)
	}
}

// Status lists what is in use, by path. It never waits for files being read.
func (s *Set) Status() []Status { return slices.Clone(*s.status.Load()) }

// Close ends all watching and waits until it has ended. What was prepared works on with what it has.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	w := s.watcher
	s.watcher = nil
	s.mu.Unlock()
	if w != nil {
		w.Close()
	}
}
