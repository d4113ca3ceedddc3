package cluster

import (
	"cmp"
	"slices"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
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
