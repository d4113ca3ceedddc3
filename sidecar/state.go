package sidecar

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
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

// origin says whose state it is: another gateway's is of no use.
type origin struct {
	Service string `json:"service"`
	Source  Source `json:"source"`
	From    string `json:"from"` // key or path of the document
}

func (b *Bootstrap) origin() origin {
	o := origin{Service: b.Service, Source: b.Source}
	switch b.Source {
	case SourceConsul:
		o.From = b.ConsulKey
	case SourceFile:
		o.From = b.Config
	case SourceEnv, SourceAuto:
	}
	return o
}

// foreign says whose state it is.
func (o origin) foreign(kept origin) error {
	return fmt.Errorf("%s is not used: it is of service %s, source %s %s, and this is service %s, source %s %s",
		lastGoodFile, kept.Service, kept.Source, kept.From, o.Service, o.Source, o.From)
}

// lastGood is what serves, as the file has it. It is never edited once it was handed over.
type lastGood struct {
	Origin    origin             `json:"origin"`
	AsOf      time.Time          `json:"as_of"`              // when the source last said that it is so
	Document  *keptDocument      `json:"document,omitempty"` // nil where the environment is all there is
	Location  keptLocation       `json:"location,omitzero"`  // where the agent said that it is
	Endpoints []keptEndpoints    `json:"endpoints"`
	Ejections []cluster.Ejection `json:"ejections"`
}

// keptDocument is the document as it was delivered.
type keptDocument struct {
	Revision   string     `json:"revision"`
	NamedBy    string     `json:"named_by,omitempty"` // the version of the gateway that found out which revision it is
	Hash       string     `json:"hash"`
	Name       string     `json:"name,omitempty"`
	Index      uint64     `json:"index,omitempty"`
	Forced     time.Time  `json:"forced,omitzero"`
	AcceptedAt time.Time  `json:"accepted_at"`
	OnTrial    bool       `json:"on_trial,omitempty"` // its trial was not over
	Parts      []keptPart `json:"parts"`
}

type keptPart struct {
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
}

func keepDocument(d discovery.Document, revision string, at time.Time) *keptDocument {
	if len(d.Parts) == 0 {
		return nil
	}
	k := &keptDocument{
		Revision: revision, NamedBy: Built().Version, Hash: d.Hash, Name: d.Name, Index: d.Index, Forced: d.Forced,
		AcceptedAt: at,
	}
	for _, p := range d.Parts {
		k.Parts = append(k.Parts, keptPart{p.Name, string(p.Data)})
	}
	return k
}

// decode reads the document, whose parts are given, with its trees if trees has them. Which revision it is was found
// out when it was kept, by the same program.
func (k *keptDocument) decode(parts []config.Part, base config.Base, trees *config.Trees) (*config.Document, error) {
	if k.NamedBy != Built().Version {
		return config.DecodeParts(parts, base)
	}
	return config.DecodeKnown(parts, base, k.Revision, trees)
}

func (k *keptDocument) document() discovery.Document {
	d := discovery.Document{Source: sourceState, Hash: k.Hash, Name: k.Name, Index: k.Index, Forced: k.Forced}
	for _, p := range k.Parts {
		d.Parts = append(d.Parts, config.Part{Name: p.Name, Data: []byte(p.Text)})
	}
	return d
}

// size is that of its text, in bytes.
func (k *keptDocument) size() (n int) {
	for _, p := range k.Parts {
		n += len(p.Text)
	}
	return n
}

// keptLocation is what the agent said of where it runs; the zero value: nothing. What the bootstrap says is not in it.
type keptLocation struct {
	Node       string `json:"node"`
	Datacenter string `json:"datacenter,omitempty"`
	Zone       string `json:"zone,omitempty"`
}

// keepLocation leaves out the zone of the bootstrap, which the next start may not have.
func keepLocation(l cluster.Location, bootZone string) keptLocation {
	k := keptLocation{Node: l.Node, Datacenter: l.Datacenter}
	if bootZone == "" {
		k.Zone = l.Zone
	}
	return k
}

// keptEndpoints are the last instances that the catalog had for a query.
type keptEndpoints struct {
	Query       consul.Query   `json:"query"`
	ConfirmedAt time.Time      `json:"confirmed_at"`
	HeldUntil   time.Time      `json:"held_until,omitzero"` // the catalog has none any more; they are used until then
	Instances   []keptInstance `json:"instances"`
}

// keptInstance is a cluster.Instance with its state in a word.
type keptInstance struct {
	Address string   `json:"address"`
	Weight  int      `json:"weight"`
	State   string   `json:"state"`
	ID      string   `json:"id"`
	Node    string   `json:"node"`
	Zone    string   `json:"zone,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

func keepInstances(all []cluster.Instance) []keptInstance {
	kept := make([]keptInstance, len(all))
	for i, in := range all {
		kept[i] = keptInstance{in.Address, in.Weight, in.State.String(), in.ID, in.Node, in.Zone, in.Tags}
	}
	return kept
}

// instances leaves out what no longer makes sense.
func (k *keptEndpoints) instances() []cluster.Instance {
	var all []cluster.Instance
	for _, in := range k.Instances {
		state, known := cluster.ParseState(in.State)
		address, err := config.EndpointAddress(in.Address)
		if !known || err != nil {
			continue
		}
		all = append(all, cluster.Instance{
			Address: address, Weight: in.Weight, State: state, ID: in.ID, Node: in.Node, Zone: in.Zone, Tags: in.Tags,
		})
	}
	return all
}

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
