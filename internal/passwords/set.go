package passwords

import (
	"cmp"
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
	log     hclog.Logger
	watcher *filewatch.Watcher // nil: files are left alone
	checks  *checks
	status  atomic.Pointer[[]Status]

	mu sync.Mutex // guards also all files but their users
	// +checklocks:mu
	files map[string]*File
	// +checklocks:mu
	closed bool
}

// File is one file of users. Its path never changes; its users are those of its last good content.
type File struct {
	path   string
	checks *checks
	users  atomic.Pointer[users]

	// Of the Set, under its mu:
	uses   int // revisions that hold it, by each of their routes
	onDisk namedfile.LastGood[*users]
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
	s := &Set{log: o.Logger, checks: newChecks(), files: map[string]*File{}}
	if s.log == nil {
		s.log = hclog.NewNullLogger()
	}
	if !o.Unwatched {
		s.watcher = filewatch.New(s.Reload, s.log)
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
	f.refresh(time.Now())
	if err := f.onDisk.Err(); err != nil {
		return nil, err
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

// refresh reads the file. Either all of it serves, or nothing of it.
func (f *File) refresh(now time.Time) namedfile.Change {
	change := f.onDisk.Refresh(now, maxFileBytes, []string{f.path}, func(files [][]byte) (*users, error) {
		u, err := parse(files[0])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.path, err)
		}
		return u, nil
	})
	if change == namedfile.Replaced {
		f.users.Store(f.onDisk.Content())
	}
	return change
}

// Reload reads every file now, whether or not a change was noticed.
func (s *Set) Reload() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, f := range s.files {
		switch f.refresh(now) {
		case namedfile.Replaced:
			s.log.Info("password file reloaded", "path", f.path, "users", f.Users())
		case namedfile.Broke:
			s.log.Warn("password file is broken; the last good one stays in use", "path", f.path,
				"reason", f.onDisk.Err().Error())
		case namedfile.Mended:
			s.log.Info("password file is whole again", "path", f.path)
		}
	}
	s.follow()
}

// follow makes the watches and the status fit the files.
//
// +checklocks:s.mu
func (s *Set) follow() {
	all, paths := make([]Status, 0, len(s.files)), make([]string, 0, len(s.files))
	for path, f := range s.files {
		st := Status{Path: path, Users: f.Users(), Since: f.onDisk.Since()}
		if err := f.onDisk.Err(); err != nil {
			st.Error = err.Error()
		}
		all, paths = append(all, st), append(paths, path)
	}
	slices.SortFunc(all, func(a, b Status) int { return cmp.Compare(a.Path, b.Path) })
	s.status.Store(&all)
	s.watcher.Follow(paths)
}

// Status lists what is in use, by path. It never waits for files being read.
func (s *Set) Status() []Status { return slices.Clone(*s.status.Load()) }

// Close ends all watching and waits until it has ended. What was prepared works on with what it has.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.watcher.Close()
}
