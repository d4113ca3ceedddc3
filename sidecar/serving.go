package sidecar

import (
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// phase is where the revision that serves comes from.
type phase uint8

const (
	phaseStarting phase = iota // nothing serves yet
	phaseFallback              // the bootstrap serves alone, since the source has no document that can
	phaseRestored              // the last good document serves, and the source has not delivered yet
	phaseCurrent               // the document of the source serves
	phaseOrphaned              // a document serves that the source has no more
)

// serves tells whether a document of the source is in service, be it an earlier one.
func (p phase) serves() bool { return p == phaseRestored || p == phaseCurrent || p == phaseOrphaned }

// serving is what is in service, and what was refused. The applying goroutine writes it, the admin port reads it.
type serving struct {
	phase   phase
	doc     *config.Document // nil in phaseStarting
	name    string           // of its revision, as who pushed it calls it
	waiting string           // in phaseFallback: why there is no document of the source
	status  RevisionStatus   // but for Orphaned

	asOf       time.Time // in phaseRestored: when the source last said that it is so
	unanswered []string  // services of which the catalog has said nothing yet
	waitsFor   []string  // clusters whose requests wait for that, and why it says nothing
	history    history   // of the revisions that came from the source

	judgedUntil time.Time // until when what serves was on probation, also when that is over; zero = it was not
}

// revisionStatus is what GET /status shows.
func (n *serving) revisionStatus() RevisionStatus {
	st := n.status
	st.Orphaned = n.phase == phaseOrphaned
	if n.phase == phaseRestored {
		st.AsOf = n.asOf
	}
	return st
}

// applied notes that a document has come into service.
func (n *serving) applied(doc *config.Document, source string, now time.Time) {
	n.phase, n.doc, n.waiting = phaseCurrent, doc, ""
	n.status.ID, n.status.Source, n.status.Since, n.status.LastRejected = doc.Revision, source, now, nil
	n.status.RolledBack, n.status.ProbationUntil, n.status.Replay = nil, time.Time{}, nil
	n.judgedUntil = time.Time{}
	n.status.Applied++
}

// fellBack notes that what was applied is the bootstrap alone, and why. What was rejected before is shown again: it is
// the reason why nothing better serves.
func (n *serving) fellBack(why string, rejected *Rejection) {
	n.phase, n.waiting = phaseFallback, why
	n.history.explain("the bootstrap serves alone: " + why)
	n.status.LastRejected = rejected
}

// restored notes that what was applied is the last good revision of a process before this one. What was rejected before
// is shown again.
func (n *serving) restored(asOf time.Time, rejected *Rejection) {
	n.phase, n.asOf = phaseRestored, asOf
	n.history.explain("from the state directory, as of " + asOf.UTC().Format(time.RFC3339))
	n.status.LastRejected = rejected
}

// confirmed notes that the source still, or again, has the document that serves.
func (n *serving) confirmed(source string) {
	n.phase, n.waiting = phaseCurrent, ""
	n.status.Source, n.status.LastRejected, n.status.RolledBack = source, nil, nil
}

// missing notes that the source has no document, which was confirmed. It reports whether what serves is orphaned by it.
func (n *serving) missing(why string) (orphaned bool) {
	n.status.LastRejected, n.status.RolledBack = nil, nil
	switch n.phase {
	case phaseFallback:
		n.waiting = why
	case phaseCurrent, phaseRestored:
		n.phase = phaseOrphaned
		return true
	case phaseStarting, phaseOrphaned:
	}
	return false
}

// notApplied is why the bootstrap serves alone although the source has a document.
const notApplied = "its document cannot be applied"

// rejected notes a document that does not come into service.
func (n *serving) rejected(r *Rejection) {
	n.status.Rejected++
	n.status.LastRejected = r
	if n.phase == phaseFallback {
		n.waiting = notApplied
	}
	if was := n.status.RolledBack; was != nil && was.Hash != r.Hash {
		n.status.RolledBack = nil
	}
}

// held notes that the newest document is held. What became of those before it is in the history.
func (n *serving) held(h *Held) {
	n.status.Held, n.status.LastRejected, n.status.RolledBack = h, nil, nil
}

// rolledBack notes that what was applied is the revision before one that did harm. It serves as it did before, unless
// the source has no document any more. A newer document, which was rejected or is held, is the newest one still.
func (n *serving) rolledBack(r *RolledBack, before phase, orphaned bool, rejected *Rejection) {
	n.history.rolledBack(r)
	if n.status.LastRejected = rejected; rejected == nil && n.status.Held == nil {
		n.status.RolledBack = r
	}
	if n.phase = before; orphaned {
		n.phase = phaseOrphaned
	}
}

// pending notes that the document which was rejected last still is, why, and when it is tried again.
func (n *serving) pending(r *Rejection) { n.status.LastRejected = r }
