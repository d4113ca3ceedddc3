package cluster

import (
	"slices"
	"time"
)

const (
	// A delivery that takes away more than half of at least dampFrom instances
	// is applied over dampOver, so that what remains is not overloaded.
	dampFrom = 4
	dampOver = 5 * time.Second
)

// hold says why an instance is in use whatever the catalog says.
type hold uint8

const (
	notHeld   hold = iota
	heldLost       // many were lost at once: it goes within dampOver
	heldEmpty      // none is registered: it stays for empty_hold
)

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
