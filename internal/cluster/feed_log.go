package cluster

import (
	"cmp"
	"slices"
	"strings"
)

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
