package cluster

import (
	"fmt"
	"slices"
)

// State is an instance's health as the catalog has it.
type State uint8

// The states of the catalog, best first.
const (
	Passing State = iota
	Warning
	Critical
	Maintenance // set by an operator: no new picks, not even in panic

	deregistered // the catalog does not name the instance any more; only of what a feed holds
)

// String is the state as Consul writes it.
func (s State) String() string {
	switch s {
	case Passing:
		return "passing"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	case Maintenance:
		return "maintenance"
	case deregistered:
		return "deregistered"
	default:
		return fmt.Sprintf("state %d", uint8(s))
	}
}

// serves tells whether an instance of this state gets traffic. It is the only
// place that knows what only_passing means.
func (s State) serves(onlyPassing bool) bool { return s == Passing || s == Warning && !onlyPassing }

// Instance is one instance of a service, from the catalog's response to the view
// that requests pick from. It is never edited once it was delivered.
type Instance struct {
	Address string // host:port; the host may be a name
	Weight  int    // for its state; 0 = no traffic
	State   State  // what the checks say, whatever a cluster makes of it
	ID      string // of the service, unique on its node
	Node    string
	Zone    string // empty = not known
	Tags    []string
	Ports   []Port // those that have names; only on the way to who follows one of them

	Check  string // the name of the check that State is of; empty: none but passes, or it is not known
	Output string // what that check said when it became the one, in one line
}

// Port is a port of an instance that has a name.
type Port struct {
	Name    string
	Address string // host:port, as that of an instance; empty: it is none that one can connect to
}

// Same reports whether other says nothing new after i. What a check says may change each time it is made, so that alone
// is nothing new.
func (i Instance) Same(other Instance) bool {
	return i.Address == other.Address && i.Weight == other.Weight && i.State == other.State &&
		i.ID == other.ID && i.Node == other.Node && i.Zone == other.Zone && slices.Equal(i.Tags, other.Tags) &&
		slices.Equal(i.Ports, other.Ports) && i.Check == other.Check
}

// NoteAbsence says why the list that SetEndpoints gets next is empty; empty: because the service is not in the catalog.
func (c *Cluster) NoteAbsence(why string) {
	f := c.feed
	if f == nil {
		return
	}
	f.group.set.mu.Lock()
	defer f.group.set.mu.Unlock()
	f.absence = why
}

// SetEndpoints takes what Consul says now: the whole list, confirmed. It changes
// each live cluster of this name, query and only_passing by one store. An
// address that is also static keeps its weight of the document. An empty list,
// and the sudden loss of many, are softened as doc.go tells.
func (c *Cluster) SetEndpoints(list []Instance) {
	f := c.feed
	if f == nil {
		return
	}
	f.group.set.mu.Lock()
	defer f.group.set.mu.Unlock()
	now := f.group.clock.now()
	if f.told && !f.answered && len(list) == 0 && len(f.entries) == 0 { // later the log says that it is gone
		f.logAbsent()
	}
	first := !f.answered
	f.answered = true
	if f.deliver(list, now) {
		f.group.rebuild(f)
	}
	if first {
		f.group.set.wakeAwaiting(f)
	}
	if f.group.active.Load().feed == f { // what is only prepared must not slow what serves
		f.noteFlips(now)
	}
}
