package cluster

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

const (
	// A delivery that takes away more than half of at least dampFrom instances
	// is applied over dampOver, so that what remains is not overloaded.
	dampFrom = 4
	dampOver = 5 * time.Second
)

// feed is what the catalog says to one query, and what is done about sudden
// losses. Its entries have the raw state; what counts as a loss is up to
// only_passing, so clusters that differ in it have a feed each.
type feed struct {
	group       *group
	onlyPassing bool
	query       config.Consul // as the catalog knows it
	// +checklocks:group.set.mu
	entries map[string]*entry // by address
	// +checklocks:group.set.mu
	answered bool // the catalog has said something
	// +checklocks:group.set.mu
	absence string // why the catalog has no instance; empty = the service is not there
	// A revision that is prepared again and again, and never serves, is not told each time.
	// +checklocks:group.set.mu
	told bool // the log has what there is: it has been in service
	// +checklocks:group.set.mu
	recheckAt time.Duration // when a hold that is over is checked again
}

// entry is an instance; immutable once in a view, so replaced, never edited.
type entry struct {
	Instance
	hold  hold
	until time.Duration // end of the hold
	since time.Duration // of the state
}

// hold says why an instance is in use whatever the catalog says.
type hold uint8

const (
	notHeld   hold = iota
	heldLost       // many were lost at once: it goes within dampOver
	heldEmpty      // none is registered: it stays for empty_hold
)

// inRotation tells whether the catalog lets the instance have traffic; a static
// endpoint (nil) always may.
func (e *entry) inRotation(onlyPassing bool) bool {
	return e == nil || e.hold != notHeld || e.State.serves(onlyPassing)
}

func (e *entry) maintenance() bool { return e != nil && e.State == Maintenance }

// up is what the catalog says, holds apart.
func (f *feed) up(e *entry) bool { return e != nil && e.State.serves(f.onlyPassing) && e.Weight > 0 }

// entry of an address, or nil; safe on a nil feed.
//
// +checklocks:f.group.set.mu
func (f *feed) entry(address string) *entry {
	if f == nil {
		return nil
	}
	return f.entries[address]
}

// sorted gives the entries in an order that the catalog's does not change.
//
// +checklocks:f.group.set.mu
func (f *feed) sorted() []*entry {
	if f == nil {
		return nil
	}
	list := make([]*entry, 0, len(f.entries))
	for _, e := range f.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *entry) int { return cmp.Compare(a.Address, b.Address) })
	return list
}

// deliver takes what the catalog says now, and tells whether anything changed.
//
// +checklocks:f.group.set.mu
func (f *feed) deliver(list []Instance, now time.Duration) bool {
	if len(list) == 0 {
		return f.deliverNone(now)
	}
	next := map[string]*entry{}
	for _, d := range list {
		if _, twice := next[d.Address]; !twice {
			d.Weight = min(max(d.Weight, 0), maxWeight)
			next[d.Address] = &entry{Instance: d, since: now}
		}
	}
	f.holdLost(next, now)
	changed := len(next) != len(f.entries)
	for address, e := range next {
		old := f.entries[address]
		if old != nil && old.State == e.State {
			e.since = old.since
		}
		changed = changed || !old.same(e)
	}
	f.log(next)
	f.entries = next
	return changed
}

// same reports whether two entries of an address are equal; the receiver may be nil.
func (e *entry) same(other *entry) bool {
	return e != nil && e.hold == other.hold && e.until == other.until && e.since == other.since &&
		e.Instance.Same(other.Instance)
}

// deliverNone is that the catalog has nothing, which was confirmed: an agent that
// leaves takes its node's services with it for some seconds.
//
// +checklocks:f.group.set.mu
func (f *feed) deliverNone(now time.Duration) (changed bool) {
	if hold := f.emptyHold(); hold > 0 {
		return f.holdAll(now, hold)
	}
	none := map[string]*entry{} // at once: nothing is left that could be overloaded
	changed = len(f.entries) > 0
	f.log(none)
	f.entries = none
	return changed
}

// emptyHold is what the clusters on the feed say. While a revision is prepared beside the one in service it is the
// longer one, so that preparing one takes nothing from the other. A former revision that is kept, and comes before the
// one in service, has a say only in what is its own.
//
// +checklocks:f.group.set.mu
func (f *feed) emptyHold() time.Duration {
	live := f.group.live
	if i := slices.Index(live, f.group.active.Load()); i >= 0 {
		if hold, on := f.longestHold(live[i:]); on {
			return hold
		}
	}
	hold, _ := f.longestHold(live)
	return hold
}

// longestHold is the longest that those of the clusters say which are on the feed; on is false if none is.
func (f *feed) longestHold(clusters []*Cluster) (hold time.Duration, on bool) {
	for _, c := range clusters {
		if c.feed == f {
			hold, on = max(hold, c.cfg.Consul.EmptyHold), true
		}
	}
	return hold, on
}

// holdAll keeps everything but what is in maintenance for a while. What is held
// already stays so until the time that was set for it.
//
// +checklocks:f.group.set.mu
func (f *feed) holdAll(now, hold time.Duration) (changed bool) {
	next := map[string]*entry{}
	for address, e := range f.entries {
		switch {
		case e.hold == heldEmpty && now >= e.until:
			changed = true // the catalog still has nothing
		case e.hold == heldEmpty:
			next[address] = e
		case e.State != Maintenance:
			held := *e
			held.State, held.hold, held.until = deregistered, heldEmpty, now+hold
			if e.State != deregistered {
				held.since = now
			}
			next[address] = &held
			changed = true
		default:
			changed = true
		}
	}
	switch {
	case changed && len(next) > 0:
		f.group.log.Warn("no endpoint is registered, the last ones are held",
			"cluster", f.group.name, "endpoints", len(next), "for", hold)
	case changed:
		f.group.log.Warn("no endpoint is registered any more", "cluster", f.group.name)
	}
	f.entries = next
	return changed
}

// holdLost adds to next what is kept in use for a moment though the catalog has
// taken it away.
//
// +checklocks:f.group.set.mu
func (f *feed) holdLost(next map[string]*entry, now time.Duration) {
	before := 0
	var lost, ending []*entry // in order of address
	for _, e := range f.sorted() {
		n := next[e.Address]
		switch {
		case e.hold == notHeld && f.up(e):
			before++
			if !f.up(n) && !n.maintenance() {
				lost = append(lost, e)
			}
		case e.hold == heldEmpty && n == nil:
			ending = append(ending, e) // others are back
		case e.hold != notHeld && !f.up(n) && !n.maintenance():
			f.keep(next, e, e.until, now)
		}
	}
	if before < dampFrom || 2*len(lost) <= before {
		lost = nil
	}
	for _, es := range [][]*entry{lost, ending} {
		for i, e := range es {
			f.keep(next, e, now+dampOver*time.Duration(i+1)/time.Duration(len(es)), now)
		}
	}
}

// keep holds e in next; what the catalog says of it now stays visible.
func (f *feed) keep(next map[string]*entry, e *entry, until, now time.Duration) {
	held := *e
	held.State = deregistered
	if n := next[e.Address]; n != nil {
		held.State = n.State
	}
	if held.State != e.State {
		held.since = now
	}
	if e.hold == heldEmpty {
		until = min(until, e.until)
	}
	held.hold, held.until = heldLost, until
	next[e.Address] = &held
}

// expire ends the holds that are over, and tells whether any was.
//
// +checklocks:f.group.set.mu
func (f *feed) expire(now time.Duration) (changed bool) {
	for address, e := range f.entries {
		if e.hold == notHeld || now < e.until {
			continue
		}
		if e.hold == heldEmpty && f.group.set.recheck != nil {
			f.doubt(now)
			continue
		}
		changed = true
		f.group.log.Info("endpoint held no longer", "cluster", f.group.name, "endpoint", address, "state",
			e.stateName())
		if e.State == deregistered {
			delete(f.entries, address)
			continue
		}
		free := *e
		free.hold, free.until = notHeld, 0
		f.entries[address] = &free
	}
	return changed
}

// recheckEvery is how often the catalog is queried for a hold that is over.
const recheckEvery = 5 * time.Second

// doubt has the catalog queried once more before the last endpoints are given up.
//
// +checklocks:f.group.set.mu
func (f *feed) doubt(now time.Duration) {
	if now < f.recheckAt {
		return
	}
	f.recheckAt = now + recheckEvery
	f.group.set.doubts = append(f.group.set.doubts, f.query)
}

// enter has the log told what there is when the feed first comes into service; nil is fine.
//
// +checklocks:f.group.set.mu
func (f *feed) enter() {
	if f == nil || f.told {
		return
	}
	f.told = true
	all := f.entries
	f.entries = nil
	f.log(all)
	f.entries = all
	if f.answered && len(all) == 0 {
		f.logAbsent()
	}
}

// logAbsent says that the catalog has no instance. Later ones that go are told one by one.
//
// +checklocks:f.group.set.mu
func (f *feed) logAbsent() {
	if f.absence != "" {
		f.group.log.Warn("no instance of the service can be used", "cluster", f.group.name, "follows",
			f.query.String(), "reason", f.absence)
		return
	}
	f.group.log.Warn("the service is "+notInCatalog, "cluster", f.group.name, "follows", f.query.String())
}

// maxNamed is how many changed endpoints a log line names.
const maxNamed = 8

// log says what a delivery changes, before it replaces the entries.
//
// +checklocks:f.group.set.mu
func (f *feed) log(next map[string]*entry) {
	if !f.told {
		return // enter will tell
	}
	var changes []string
	note := func(address, old, new string) {
		if old != new {
			changes = append(changes, address+" "+old+" -> "+new)
		}
	}
	for address, e := range next {
		note(address, f.entries[address].stateName(), e.stateName())
	}
	for address, e := range f.entries {
		if next[address] == nil {
			note(address, e.stateName(), (*entry)(nil).stateName())
		}
	}
	if len(changes) == 0 {
		return
	}
	slices.Sort(changes)
	named := changes[:min(len(changes), maxNamed)]
	f.group.log.Info("endpoints changed", "cluster", f.group.name,
		"changed", len(changes), "of", len(next), "endpoints", strings.Join(named, ", "))
}

// stateName is what the catalog says of an entry.
func (e *entry) stateName() string {
	if e == nil {
		return "absent"
	}
	return e.State.String()
}

// follows says what the cluster follows, and, where it has no instance of it, why; empty on a nil feed.
//
// +checklocks:f.group.set.mu
func (f *feed) follows() string {
	if f == nil {
		return ""
	}
	what := f.query.String()
	if !f.answered {
		return what + ": no response yet"
	}
	for _, e := range f.entries {
		if e.State != deregistered {
			return what
		}
	}
	return what + ": " + cmp.Or(f.absence, notInCatalog)
}

const notInCatalog = "not in the catalog"
