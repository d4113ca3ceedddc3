package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/statedir"
)

const (
	lastGoodFile = "last-good.json"

	// endpointsEvery is how often changes of endpoints alone are written.
	endpointsEvery = time.Minute

	// intactEvery is how often the directory is compared with what was written. A gateway may have nothing new to
	// write for months, and then a start without Consul needs what somebody has removed.
	intactEvery = 10 * time.Second

	// sourceState is the source of a revision that comes from the state directory.
	sourceState = "state"
)

// StateStatus is how the state directory fares.
type StateStatus struct {
	Dir       string    `json:"dir"`
	Revision  string    `json:"revision,omitempty"` // of the document that is kept
	WrittenAt time.Time `json:"written_at,omitzero"`
	Error     string    `json:"error,omitempty"` // why it is not used, or why the last write failed
}

// state is the state directory with what it held at the start. A nil state keeps nothing.
type state struct {
	dir    *statedir.Dir
	log    hclog.Logger
	origin origin

	// Of the applying goroutine.
	found   *lastGood // at the start; nil = nothing of use
	known   map[consul.Query]keptEndpoints
	kept    string // hash of the document that the directory has, or will soon; empty = none
	trials  trials
	usually func() // has the collector do as usual, after the start; nil: it does

	writes  chan *lastGood // one place: the next to write
	treesOf string         // hash of the document whose trees are kept; of the goroutine that writes

	mu sync.Mutex
	// +checklocks:mu
	status StateStatus
	// +checklocks:mu
	spoiled bool // the error of status is of what is on the disk, and not of a write
}

// openState opens the state directory, if there is to be one, and reads what is there. Whatever is wrong with it is
// logged, and no reason not to start.
func openState(b *Bootstrap, log hclog.Logger) *state {
	if b.StateDir == "" {
		return nil
	}
	s := &state{
		log: log, origin: b.origin(), known: map[consul.Query]keptEndpoints{}, writes: make(chan *lastGood, 1),
		status: StateStatus{Dir: b.StateDir},
	}
	s.dir = statedir.At(b.StateDir)
	s.trials = trials{dir: s.dir, log: log}
	if err := s.dir.Check(); err != nil {
		s.failed("state directory is not used", err)
		s.compared(err)
		return s
	}
	s.usually = garbage.until(garbageOfAStart, startGC)
	s.read()
	if d := s.document(); d == nil || d.size() > startMost {
		s.begun()
	}
	s.trials.open(s.dir, log, s.documentHash())
	return s
}

// read takes what is there, if it is whole and ours.
func (s *state) read() {
	var l lastGood
	err := s.dir.Read(lastGoodFile, &l)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		s.failed("kept state is not used and set aside", err)
		if err := s.dir.SetAside(lastGoodFile); err != nil {
			s.failed("kept state stays in its place", err)
		}
		return
	case l.Origin != s.origin:
		s.log.Warn("kept state is not used: it is of another gateway", "kept", l.Origin, "this", s.origin)
		s.mu.Lock()
		s.status.Error = fmt.Sprintf("%s: %v", s.status.Dir, s.origin.foreign(l.Origin))
		s.mu.Unlock()
		return
	}
	if now := time.Now(); l.AsOf.After(now) {
		s.log.Warn("kept state is from the future: the clock was set back", "as_of", l.AsOf)
		l.AsOf = now
	}
	s.found = &l
	s.kept = s.documentHash()
	for _, e := range l.Endpoints {
		s.known[e.Query] = e
	}
	s.written(&l, l.AsOf)
}

// begun tells that the start is over: the collector does as usual.
func (s *state) begun() {
	if s != nil && s.usually != nil {
		s.usually()
		s.usually = nil
	}
}

// document is what was found; nil: none.
func (s *state) document() *keptDocument {
	if s.found == nil {
		return nil
	}
	return s.found.Document
}

// documentHash is that of the document that was found; empty for none.
func (s *state) documentHash() string {
	if d := s.document(); d != nil {
		return d.Hash
	}
	return ""
}

// failed logs what went wrong, when it is news.
func (s *state) failed(what string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Error != err.Error() {
		s.log.Warn(what, "error", err)
	}
	s.status.Error, s.spoiled = err.Error(), false
}

// compare looks whether the directory can be used and holds what was written. If not, the state is written anew as soon
// as that is due.
func (s *state) compare() {
	err := s.dir.Intact(lastGoodFile)
	if err != nil {
		s.failed("state is not kept", err)
	}
	s.compared(err)
}

// compared notes what came of comparing, which failed has logged.
func (s *state) compared(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.spoiled {
		s.log.Info("state directory is used again")
		s.status.Error = ""
	}
	s.spoiled = err != nil
}

func (s *state) written(l *lastGood, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Error != "" {
		s.log.Info("state is kept again")
	}
	s.status.Error, s.status.WrittenAt, s.status.Revision, s.spoiled = "", at, "", false
	if l.Document != nil {
		s.status.Revision = l.Document.Revision
	}
}

// Status is for people; nil where no directory is set.
func (s *state) Status() *StateStatus {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	return &st
}

// failing tells whether the last write failed, or what there was at the start could not be used.
func (s *state) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status.Error != ""
}

// run writes what it is given until finish; a disk that is slow holds nobody up but it.
func (s *state) run() {
	if s == nil {
		return
	}
	defer s.dir.Close()
	compare := time.NewTicker(intactEvery)
	defer compare.Stop()
	for {
		select {
		case l, more := <-s.writes:
			if !more {
				return
			}
			s.write(l)
		case <-compare.C:
			s.compare()
		}
	}
}

// write writes what serves.
func (s *state) write(l *lastGood) {
	err := s.dir.Write(lastGoodFile, l)
	if err != nil && s.dropTrees() { // which may be what fills the disk
		err = s.dir.Write(lastGoodFile, l)
	}
	if err != nil {
		s.failed("state is not kept", err)
		return
	}
	s.written(l, time.Now())
	s.keepTrees(l.Document)
}

// save has l written, instead of what waits to be.
func (s *state) save(l *lastGood) {
	select {
	case <-s.writes:
	default:
	}
	s.writes <- l
}

// location is what was kept of where the gateway runs; the zero value: nothing.
func (s *state) location() keptLocation {
	if s == nil || s.found == nil {
		return keptLocation{}
	}
	return s.found.Location
}

// enabled tells whether anything is to be kept. The directory may not be usable yet.
func (s *state) enabled() bool { return s != nil }

// CheckState tells what a start with b would not like about its state directory. It makes none, and changes nothing.
func CheckState(b *Bootstrap) error {
	if _, err := os.Stat(b.StateDir); errors.Is(err, fs.ErrNotExist) {
		return nil // a start makes it
	}
	dir, err := statedir.Open(b.StateDir)
	if err != nil {
		return err
	}
	defer dir.Close()
	var l lastGood
	switch err := dir.Read(lastGoodFile, &l); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case l.Origin != b.origin():
		return fmt.Errorf("%s: %w", b.StateDir, b.origin().foreign(l.Origin))
	}
	return nil
}
